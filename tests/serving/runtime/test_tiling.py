"""Tiling gives the result of the whole image."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipeline.errors import InputError
from pipeline.serving.runtime.tiling import Tiles, blend_weights, run_tiled, run_tiles, tile_spans


@settings(deadline=None)
@given(size=st.integers(1, 700), tile=st.integers(9, 120), overlap=st.integers(1, 30), scale=st.sampled_from([1, 2, 4]))
def test_blend_weights_sum_to_one(size: int, tile: int, overlap: int, scale: int) -> None:
    overlap *= 2
    tile = max(tile, 3 * overlap)
    total = np.zeros(size * scale)
    for start, end in tile_spans(size, tile, overlap):
        assert 0 <= start < end <= size
        assert end - start <= tile
        total[start * scale : end * scale] += blend_weights((start, end), size, overlap, scale)
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("shape", [(37, 50), (64, 64), (150, 41), (129, 200)])
def test_small_receptive_fields_give_the_result_of_the_whole_image(scale: int, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 8, 5, padding=2),
        nn.Tanh(),
        nn.Conv2d(8, 3 * scale**2, 5, padding=2),
        nn.PixelShuffle(scale),
    ]
    network = nn.Sequential(*layers)  # sees 4 pixels far
    sizes = []

    def run(image: np.ndarray) -> np.ndarray:
        sizes.append(image.shape[2:])
        with torch.no_grad():
            outputs: np.ndarray = network(torch.from_numpy(image)).numpy()
        return outputs

    image = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    found = run_tiled(run, image, scale, tile=48, overlap=8)
    assert max(max(size) for size in sizes) <= 48
    whole = run(image[None])[0]
    assert found.shape == whole.shape
    np.testing.assert_allclose(found, whole, atol=1e-5)


def test_differences_between_tiles_are_blended() -> None:
    """The difference between tiles of brightness 0 and 1 is spread over the overlap."""
    count = iter(range(100))

    def run(image: np.ndarray) -> np.ndarray:
        return np.full_like(image, next(count))

    found = run_tiled(run, np.zeros((1, 20, 200), dtype=np.float32), 1, tile=60, overlap=16)[0]
    assert found.max() > 4
    assert np.abs(np.diff(found, axis=1)).max() <= 1 / 16 + 1e-6


def test_sides_are_padded_to_multiples_and_cropped() -> None:
    def run(image: np.ndarray) -> np.ndarray:
        assert image.shape[2] % 8 == image.shape[3] % 8 == 0
        return image

    image = np.random.default_rng(0).normal(size=(1, 61, 90)).astype(np.float32)
    for tile in (32, 256):
        np.testing.assert_allclose(run_tiled(run, image, 1, tile=tile, overlap=8, multiple=8), image, atol=1e-6)


@pytest.mark.parametrize(("tile", "overlap", "multiple"), [(16, 8, 1), (32, 3, 1), (30, 4, 8)])
def test_overlapping_tiles_are_rejected(tile: int, overlap: int, multiple: int) -> None:
    with pytest.raises(InputError, match="at least three times the overlap"):
        run_tiled(
            lambda image: image, np.zeros((1, 9, 9), dtype=np.float32), 1, tile=tile, overlap=overlap, multiple=multiple
        )


@pytest.mark.parametrize(("tile", "overlap"), [(48, 16), (48, 12), (64, 8)])
def test_bands_are_finished_from_top_to_bottom(tile: int, overlap: int) -> None:
    """Compare with the weighted sum over the whole image in float64; finished rows never change."""
    image = np.random.default_rng(0).normal(size=(2, 301, 130)).astype(np.float32)
    count = iter(range(1000))
    outputs: list[Any] = []

    def run(piece: Any) -> Any:
        outputs.append(piece.repeat(2, axis=2).repeat(2, axis=3) + np.float32(next(count)))
        return outputs[-1]

    heights: list[int] = []

    def finish(band: Any) -> Any:
        heights.append(band.shape[1])
        return np.array(band)

    found = np.concatenate(run_tiles(run, Tiles(image, 2, tile=tile, overlap=overlap, finish=finish)), axis=1)
    expected = np.zeros((2, 602, 260))
    places = [(rows, columns) for rows in tile_spans(301, tile, overlap) for columns in tile_spans(130, tile, overlap)]
    for ((top, bottom), (left, right)), piece in zip(places, outputs, strict=True):
        rows, columns = blend_weights((top, bottom), 301, overlap, 2), blend_weights((left, right), 130, overlap, 2)
        share = rows[:, None].astype(np.float64) * columns
        expected[:, 2 * top : 2 * bottom, 2 * left : 2 * right] += piece[0] * share
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert sum(heights) == 602
    assert max(heights) <= 2 * tile


@pytest.mark.parametrize("width", [5, 64, 65, 200])
def test_a_line_is_filled_up_so_that_every_tile_has_the_full_width(width: int) -> None:
    line = np.random.default_rng(0).normal(size=(1, 1, width)).astype(np.float32)
    tiles = Tiles(line, 1, tile=64, overlap=8, fill=True)
    sizes: set[tuple[int, ...]] = set()

    def run(tile: Any) -> Any:
        sizes.add(tile.shape)
        return tile

    (band,) = run_tiles(run, tiles)
    assert sizes == {(1, 1, 1, 64)}
    assert np.allclose(band, line, atol=1e-6)
