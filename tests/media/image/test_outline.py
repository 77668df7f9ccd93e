"""Outlines against closed forms, their symmetries, and outlines of real images."""

import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.media.image.image import Target, decode
from pipeline.media.image.outline import outline

Pixels = npt.NDArray[np.uint8]


def step(left: tuple[int, ...], right: tuple[int, ...], size: int = 12) -> Pixels:
    """Return an image of two colours that meet in the middle column."""
    image = np.empty((size, size, len(left)), dtype=np.uint8)
    image[:, : size // 2], image[:, size // 2 :] = left, right
    return image


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("value", [0, 77, 255])
def test_a_constant_image_has_no_outline(channels: int, value: int) -> None:
    assert (outline(np.full((9, 7, channels), value, dtype=np.uint8)) == 255).all()


@pytest.mark.parametrize(
    ("left", "right"), [((0,), (255,)), ((255,), (0,)), ((10, 200, 30), (200, 10, 30)), ((0, 0, 0), (80, 0, 0))]
)
def test_an_edge_becomes_one_black_line(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    for turned in (0, 1):
        lines = np.rot90(outline(np.rot90(step(left, right), turned)), -turned)
        dark = np.flatnonzero((lines == 0).all(axis=(0, 2)))
        assert len(dark) == 1
        assert dark[0] in (5, 6)
        assert (np.delete(lines, dark, axis=1) == 255).all()


def test_colours_of_equal_brightness_have_an_edge() -> None:
    """Opposite steps in red and green, which a grayscale outline would miss."""
    assert (outline(step((100, 50, 50), (50, 100, 50))) == 0).any()


@pytest.mark.parametrize(("rise", "shade"), [(5, 255), (10, 255), (25, 127), (40, 0), (200, 0)])
def test_stronger_edges_are_darker(rise: int, shade: int) -> None:
    for channels in (1, 3):
        lines = outline(step((20,) * channels, (20 + rise,) * channels))
        assert abs(int(lines.min()) - shade) <= 1
    red = outline(step((20, 20, 20), (20 + rise, 20, 20)))
    expected = 255 - 255 * np.clip((rise / 3**0.5 - 10) / 30, 0, 1)
    assert abs(int(red.min()) - expected) <= 1


def test_a_slanted_edge_is_a_thin_black_line() -> None:
    rows, columns = np.mgrid[:32, :32]
    for slope in ((rows + columns) < 32, rows > columns, rows > 2 * columns - 16):
        lines = outline((slope * 255).astype(np.uint8)[:, :, None])[2:-2, 2:-2, 0]
        assert ((lines == 0).sum(axis=1) >= 1).all() or ((lines == 0).sum(axis=0) >= 1).all()
        assert (lines < 255).mean() < 0.1


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]))))
def test_a_negative_has_the_same_outline(image: Pixels) -> None:
    lines = outline(image)
    assert lines.shape == image.shape
    assert lines.dtype == np.uint8
    assert (lines == lines[:, :, :1]).all()
    assert (outline(255 - image) == lines).all()
    assert (outline(image[:, :, ::-1]) == lines).all()


def test_outlines_of_real_images_are_mostly_white(shared_data: Path) -> None:
    with zipfile.ZipFile(shared_data / "noto-emoji.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))[::150]
        pairs = [decode(archive.read(name), Target(64, "rgb", pairs="outline")).pixels for name in names]
    for name, pair in zip(names, pairs, strict=True):
        lines, picture = np.split(pair, 2, axis=1)
        assert (outline(picture) == lines).all()
        assert 0.01 < (lines < 128).mean() < 0.35, name
        assert (lines[(picture == 255).all(axis=2)] == 255).mean() > 0.9, name
