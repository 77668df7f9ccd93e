"""The grid of images shows every image at its position."""

import numpy as np
import pytest

from pipeline.media.sheet import GAP, grid


@pytest.mark.parametrize("channels", [1, 3])
def test_images_fill_the_grid_row_by_row(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 255, (5, 8, 8, channels), dtype=np.uint8)
    sheet = grid(images, columns=2, cell=32)
    assert sheet.mode == ("L" if channels == 1 else "RGB")
    assert sheet.size == (2 * 34 + GAP, 3 * 34 + GAP)
    pixels = np.asarray(sheet).reshape(sheet.height, sheet.width, channels)
    for position in range(5):
        y, x = divmod(position, 2)
        assert (pixels[GAP + y * 34 :][:32:4, GAP + x * 34 :][:, :32:4] == images[position]).all()
    assert (pixels[-34:, -34:] == 255).all()


def test_large_images_keep_their_size_and_the_grid_is_square() -> None:
    assert grid(np.zeros((9, 100, 100, 3), dtype=np.uint8)).size == (3 * 102 + GAP, 3 * 102 + GAP)
    assert grid(np.zeros((1, 8, 8, 1), dtype=np.uint8)).size == (64 + 2 * GAP, 64 + 2 * GAP)
    assert grid(np.zeros((2, 8, 8, 1), dtype=np.uint8), columns=10, cell=8).size == (2 * 10 + GAP, 10 + GAP)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((2, 8, 8, 4), np.uint8),
        np.zeros((2, 8, 8, 3)),
    ],
)
def test_invalid_shapes_and_dtypes_are_rejected(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a grid takes uint8"):
        grid(images)
