"""Attributes of images against closed forms: strips of known width, shears, mirrored and inverted figures."""

import numpy as np
import pytest

from pipeline.arrays import UInt8Array
from pipeline.media.image.attributes import attributes
from pipeline.media.registry import find_medium
from tests.specs import image_spec


def figure(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> UInt8Array:
    """Return one image with 255 where the mask is set."""
    return (mask[None, :, :, None] * np.uint8(255)).astype(np.uint8)


def strip(height: int, width: int, side: int = 64) -> UInt8Array:
    """Return an upright rectangle in the middle of a square."""
    mask = np.zeros((side, side), dtype=bool)
    top, left = (side - height) // 2, (side - width) // 2
    mask[top : top + height, left : left + width] = True
    return figure(mask)


@pytest.mark.parametrize("width", [1, 2, 3, 6])
def test_thickness_and_width_of_a_strip(width: int) -> None:
    """Area over half of the outline is t L / (t + L); columns 1 .. t have the variance (t^2 - 1) / 12."""
    found = attributes(strip(60, width))
    assert found["thickness"][0] == pytest.approx(width * 60 / (width + 60), rel=0.02)
    assert found["width"][0] == pytest.approx(((width**2 - 1) / 12) ** 0.5, abs=1e-9)
    assert found["slant"][0] == pytest.approx(0, abs=1e-12)
    assert found["brightness"][0] == pytest.approx(60 * width / 64**2)


def test_thickness_of_a_ring_does_not_depend_on_its_direction() -> None:
    rows, columns = np.indices((96, 96)) - 47.5
    radius = np.hypot(rows, columns)
    weights = np.clip(np.minimum(radius - 30, 36 - radius) + 0.5, 0, 1)  # smooth edges, 6 pixels wide
    image = np.round(255 * weights)[None, :, :, None].astype(np.uint8)
    assert attributes(image)["thickness"][0] == pytest.approx(6, rel=0.08)  # one-pixel edges seem up to 7 % longer


@pytest.mark.parametrize("shear", [-2, -1, 1, 2])
def test_a_shear_changes_the_slant_by_itself_and_nothing_else(shear: int) -> None:
    """Row r from the bottom moves r x shear columns to the right. Width is without the part that slant explains."""
    upright = strip(15, 5)
    sheared = np.stack([np.roll(row, shear * (63 - r - 31)) for r, row in enumerate(upright[0, :, :, 0])])
    before, after = attributes(upright), attributes(sheared[None, :, :, None])
    assert after["slant"][0] - before["slant"][0] == pytest.approx(shear)
    assert after["width"][0] == pytest.approx(before["width"][0])
    assert after["brightness"][0] == pytest.approx(before["brightness"][0])
    mirrored = attributes(sheared[None, :, ::-1, None])
    assert mirrored["slant"][0] == pytest.approx(-after["slant"][0])


def test_dark_figures_on_light_ground_have_the_same_shape() -> None:
    rng = np.random.default_rng(0)
    images = np.zeros((5, 16, 16, 1), dtype=np.uint8)
    images[:, 4:12, 4:12] = rng.integers(0, 256, (5, 8, 8, 1))
    before, after = attributes(images), attributes(255 - images)
    for name in ("thickness", "slant", "width"):
        np.testing.assert_allclose(before[name], after[name])
    np.testing.assert_allclose(before["brightness"], 1 - after["brightness"])


def test_blank_images_and_single_rows_have_finite_attributes() -> None:
    row = np.zeros((1, 8, 8, 3), dtype=np.uint8)
    row[0, 4, 2:6] = 255
    for image in (np.zeros((2, 8, 8, 1), dtype=np.uint8), np.full((1, 8, 8, 3), 77, dtype=np.uint8), row):
        for name, values in attributes(image).items():
            assert np.isfinite(values).all(), name
            if name != "brightness" and not (image is row and name in ("width", "thickness")):
                assert not values.any(), name


def test_each_image_is_measured_alone() -> None:
    images = np.random.default_rng(1).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    together = attributes(images)
    for name, values in together.items():
        for k in range(6):
            assert values[k] == attributes(images[k : k + 1])[name][0]


def test_the_medium_measures_deep_images_and_other_media_their_statistics() -> None:
    medium = find_medium("image")
    images = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 1)).astype(np.uint8)
    deep = images.astype(np.uint16) * 257
    shallow = medium.attributes(images, image_spec(8, 1))
    assert list(shallow) == ["brightness", "thickness", "slant", "width"]
    spec = image_spec(8, 1).model_copy(update={"dtype": "uint16"})
    for name, values in medium.attributes(deep, spec).items():
        np.testing.assert_allclose(values, shallow[name])
