"""Decoding images against closed forms: sizes, modes, transparency, orientation, damaged files."""

import contextlib
import io
import struct
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.media.image.bad_image import BadImage
from pipeline.media.image.image import FILTERS, Target, decode, measure
from pipeline.media.image.pillow_arrays import write_lossless


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def of(values: npt.ArrayLike, dtype: Any = np.uint8) -> Image.Image:
    return Image.fromarray(np.asarray(values, dtype=dtype))


def ramp(size: int = 8) -> npt.NDArray[np.uint8]:
    return (np.arange(size * size, dtype=np.uint8) * (255 // (size * size - 1))).reshape(size, size)


def test_images_of_the_target_size_and_mode_are_unchanged() -> None:
    gray = ramp()
    colour = np.stack([gray, gray[::-1], gray.T], axis=2)
    found = decode(saved(of(gray)), Target(8, "gray"))
    assert (found.width, found.height, found.mode) == (8, 8, "L")
    assert found.pixels.dtype == np.uint8
    assert (found.pixels == gray[:, :, None]).all()
    assert (decode(saved(of(colour)), Target(8, "rgb")).pixels == colour).all()
    assert (decode(saved(of(gray)), Target(8, "rgb")).pixels == gray[:, :, None].repeat(3, axis=2)).all()
    luma = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(decode(saved(of(colour)), Target(8, "gray")).pixels[:, :, 0] - luma).max() <= 1


@pytest.mark.parametrize(
    ("background", "colour"), [("#ffffff", (255, 255, 255)), ("#000000", (0, 0, 0)), ("#2040ff", (32, 64, 255))]
)
def test_transparent_pixels_show_the_background(background: str, colour: tuple[int, int, int]) -> None:
    target = Target(8, "rgb", background=background)
    rgba = np.zeros((8, 8, 4), dtype=np.uint8)
    rgba[:, :4] = (200, 100, 50, 255)
    rgba[:, 4:] = (1, 2, 3, 0)
    rgba[0, 0] = (200, 100, 50, 128)
    pixels = decode(saved(of(rgba)), target).pixels
    assert (pixels[1:, :4] == (200, 100, 50)).all()
    assert (pixels[:, 4:] == colour).all()
    half = (np.array([200, 100, 50]) * 128 + np.array(colour) * 127) / 255
    assert np.abs(pixels[0, 0] - half).max() <= 1

    palette = of(np.tile([0, 1], (8, 4))).convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    pixels = decode(saved(palette, transparency=1), target).pixels
    assert (pixels[:, ::2] == (10, 20, 30)).all()
    assert (pixels[:, 1::2] == colour).all()

    layered = np.zeros((8, 8, 2), dtype=np.uint8)
    layered[:, :, 0] = 77
    layered[:4, :, 1] = 255
    pixels = decode(saved(Image.fromarray(layered)), target).pixels
    assert (pixels[:4] == 77).all()
    assert (pixels[4:] == colour).all()

    keyed = decode(saved(of(np.full((8, 8, 3), 9)), transparency=(9, 9, 9)), target).pixels
    assert (keyed == colour).all()


def test_values_of_more_than_eight_bits_are_scaled_to_eight() -> None:
    gray = ramp()
    target = Target(8, "gray")
    wide = gray.astype(np.uint16) * 257
    for image in (
        of(wide, np.uint16),
        of(gray / 255, np.float32),
        of(gray, np.float32),
        of(wide, np.float32),
        of(wide, np.int32),
        of(gray, np.int32),
    ):
        found = decode(saved(image, "TIFF"), target)
        assert (found.pixels[:, :, 0] == gray).all(), image.mode
    found = decode(saved(of(wide, np.uint16)), target)
    assert (found.pixels[:, :, 0] == gray).all()
    assert found.mode.startswith("I;16")
    dark = of(np.full((8, 8), 200), np.uint16)
    assert (decode(saved(dark), target).pixels == round(200 / 257)).all()


def write_tiff(values: npt.NDArray[Any], photometric: int) -> bytes:
    """Return an uncompressed gray TIFF; Pillow cannot write those whose smallest value is white."""
    order = ">" if values.dtype.byteorder == ">" else "<"
    bits, data = values.dtype.itemsize * 8, values.tobytes()
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    height, width = values.shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height}
    tags |= {279: len(data), 339: kind}
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags.items())
    start = b"II*\0" if order == "<" else b"MM\0*"
    return (
        start
        + struct.pack(f"{order}I", 8 + len(data))
        + data
        + struct.pack(f"{order}H", len(tags))
        + entries
        + bytes(4)
    )


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<f4", ">f4"])
def test_tiffs_whose_smallest_value_is_white_are_inverted(dtype: str) -> None:
    values = (ramp().astype(float) * {1: 1, 2: 257, 4: 1 / 255}[np.dtype(dtype).itemsize]).astype(dtype)
    for photometric, shown in ((1, ramp()), (0, 255 - ramp())):
        found = decode(write_tiff(values, photometric), Target(8, "gray")).pixels[:, :, 0]
        assert (found == shown).all(), photometric


@pytest.mark.parametrize("values", [[[np.nan, 0.5]], [[np.inf, 0.5]]])
def test_values_that_are_not_finite_are_rejected(values: list[list[float]]) -> None:
    with pytest.raises(BadImage, match="contains NaN or infinite values"):
        decode(saved(of(values, np.float32), "TIFF"), Target(8, "gray"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = np.kron(ramp(2), np.ones((16, 16), dtype=np.uint8))
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
    }
    stored[8] = upright.T[:, ::-1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "JPEG"):
        found = decode(
            saved(of(np.ascontiguousarray(stored[orientation])), kind, exif=exif), Target(32, "gray")
        ).pixels[:, :, 0]
        assert np.abs(found.astype(int) - upright).max() <= 3, kind


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_size_is_that_which_a_viewer_shows(kind: str) -> None:
    exif = Image.Exif()
    for orientation, shown in ((1, (48, 32)), (3, (48, 32)), (5, (32, 48)), (6, (32, 48)), (8, (32, 48))):
        exif[0x0112] = orientation
        data = saved(of(np.zeros((32, 48, 3))), kind, exif=exif)
        found = decode(data, Target((1, 1), "rgb", fit="keep"))
        assert (found.width, found.height) == shown == found.pixels.shape[1::-1], orientation
        assert measure(data) == shown, orientation


def test_a_turned_jpeg_is_reduced_no_further_than_its_target_allows() -> None:
    """Shown 1600 high and 400 wide. A target of 4 x 64 needs its height; the stored width is that height."""
    stripes = np.repeat(np.tile(np.array([0, 250], dtype=np.uint8), 32), 25)  # 64 stripes along the longer side
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(of(np.tile(stripes, (400, 1))), "JPEG", exif=exif, quality=95)
    column = decode(data, Target((64, 4), "gray", fit="stretch", resize="box")).pixels[:, 0, 0]
    assert column[::2].max() <= 40
    assert column[1::2].min() >= 150


def test_a_broken_exif_block_is_ignored() -> None:
    for exif in (b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert decode(saved(of(ramp(16)), "JPEG", exif=exif), Target(8, "gray")).width == 16


def test_crop_takes_the_centre_pad_keeps_everything_and_stretch_fills() -> None:
    bars = np.zeros((16, 48), dtype=np.uint8)
    bars[:, :16], bars[:, 16:32], bars[:, 32:] = 50, 150, 250
    for image, turn in ((of(bars), False), (of(np.ascontiguousarray(bars.T)), True)):

        def fit(rule: Any, image: Image.Image = image, turn: bool = turn) -> npt.NDArray[np.uint8]:
            pixels = decode(saved(image), Target(16, "gray", "#000000", rule, "box")).pixels[:, :, 0]
            return pixels.T if turn else pixels

        assert (fit("crop") == 150).all()
        padded = fit("pad")
        assert (padded[:5] == 0).all()
        assert (padded[-6:] == 0).all()
        assert padded[7, 0] == 50
        assert padded[7, -1] == 250
        stretched = fit("stretch")
        assert (stretched == stretched[0]).all()
        assert stretched[0, 0] == 50
        assert stretched[0, -1] == 250


def test_box_filter_averages_exactly() -> None:
    values = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    found = decode(saved(of(values)), Target(16, "gray", resize="box")).pixels[:, :, 0]
    # Pillow rounds after each of its two passes, by at most half a level.
    assert np.abs(found - values.reshape(16, 2, 16, 2).mean(axis=(1, 3))).max() <= 1


@pytest.mark.parametrize("kernel", sorted(FILTERS))
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (4000, 1), (1, 4000), (7, 5), (640, 480)])
def test_every_size_is_fitted_to_the_target(kernel: Any, fit: Any, size: tuple[int, int]) -> None:
    found = decode(saved(Image.new("RGB", size, "#204060")), Target(8, "rgb", "#204060", fit, kernel))
    assert found.pixels.shape == (8, 8, 3)
    assert (found.width, found.height) == size
    assert (found.pixels == (0x20, 0x40, 0x60)).all()


def test_a_large_jpeg_decoded_at_reduced_size_looks_the_same() -> None:
    coarse = np.random.default_rng(3).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    large = of(coarse).resize((1600, 1200), Image.Resampling.BICUBIC)
    found = decode(saved(large, "JPEG", quality=95), Target(32, "rgb")).pixels
    exact = np.asarray(large.crop((200, 0, 1400, 1200)).resize((32, 32), Image.Resampling.LANCZOS))
    assert np.abs(found.astype(float) - exact).mean() < 1.5
    assert decode(saved(large, "JPEG"), Target(32, "rgb")).width == 1600


def test_the_first_frame_of_an_animation_is_used() -> None:
    first, second = Image.new("L", (8, 8), 10), Image.new("L", (8, 8), 200)
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        data = saved(first, kind, save_all=True, append_images=[second])
        assert np.abs(decode(data, Target(8, "gray")).pixels.astype(int) - 10).max() <= 2, kind


def test_cmyk_becomes_rgb() -> None:
    found = decode(saved(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "TIFF"), Target(8, "rgb"))
    assert found.mode == "CMYK"
    assert (found.pixels == (0, 255, 255)).all()


def test_the_pixel_limit_replaces_that_of_pillow() -> None:
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BadImage, match=r"20 x 10 pixels, over data.limits.pixels \(199\)"):
            decode(saved(Image.new("L", (20, 10))), Target(8, "gray", max_pixels=199))
        assert decode(saved(Image.new("L", (20, 10))), Target(8, "gray", max_pixels=200)).width == 20
        huge = saved(Image.new("1", (12_000, 9_000)))  # above Pillow's own limit, below this one
        assert decode(huge, Target(8, "gray", max_pixels=200_000_000)).width == 12_000
    assert before == Image.MAX_IMAGE_PIXELS


@given(st.binary(max_size=200))
def test_random_bytes_are_bad_images(data: bytes) -> None:
    with pytest.raises(BadImage):
        decode(data, Target(8, "gray"))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000"]), st.data())
def test_damaged_images_are_decoded_or_bad_images(kind: str, draw: st.DataObject) -> None:
    data = bytearray(saved(of(np.random.default_rng(1).integers(0, 256, (12, 12, 3), dtype=np.uint8)), kind))
    for _ in range(draw.draw(st.integers(1, 6))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    data = data[: draw.draw(st.integers(1, len(data)))]
    with contextlib.suppress(BadImage):  # any other error fails the test
        assert decode(bytes(data), Target(8, "rgb", max_pixels=100_000)).pixels.shape == (8, 8, 3)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA"])
def test_encoding_is_lossless(mode: str) -> None:
    image = of(np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)).convert(mode)
    assert (
        np.asarray(Image.open(io.BytesIO(write_lossless(image))).convert("RGBA")) == np.asarray(image.convert("RGBA"))
    ).all()


def test_each_half_is_fitted_by_itself() -> None:
    left, right = ramp(16), ramp(16)[::-1].copy()
    whole = of(np.concatenate([left, right], axis=1))
    found = decode(saved(whole), Target(8, "gray", pairs="halves"))
    assert (found.width, found.height) == (32, 16)
    apart = [decode(saved(of(half)), Target(8, "gray")).pixels for half in (left, right)]
    assert (found.pixels == np.concatenate(apart, axis=1)).all()
    # Tall halves are cropped to their own centres, not to the centre of the whole image.
    tall = np.zeros((30, 20, 3), dtype=np.uint8)
    tall[:, :10, 0], tall[:, 10:, 1] = 200, 100
    for fit in ("crop", "pad", "stretch"):
        pixels = decode(saved(of(tall)), Target(8, "rgb", "#000000", fit=fit, pairs="halves")).pixels
        assert pixels.shape == (8, 16, 3)
        assert pixels[4, 3:5].tolist() == [[200, 0, 0]] * 2
        assert pixels[4, 11:13].tolist() == [[0, 100, 0]] * 2
        assert not pixels[:, :8, 1].any()
        assert not pixels[:, 8:, 0].any()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("width", [1, 601, 1201])
def test_images_of_odd_width_have_no_halves(kind: str, width: int) -> None:
    with pytest.raises(BadImage, match=f"{width} pixels wide: an odd width has no two halves"):
        decode(saved(of(np.zeros((40, width))), kind), Target(8, "gray", pairs="halves"))


def test_halves_of_a_large_jpeg_do_not_bleed_into_each_other() -> None:
    """Decoded at an eighth, 1204 pixels would become 151, which has no middle."""
    wide = np.zeros((602, 1204), dtype=np.uint8)
    wide[:, 602:] = 255
    pixels = decode(saved(of(wide), "JPEG", quality=95), Target(8, "gray", pairs="halves")).pixels
    assert pixels[:, :8].max() <= 3
    assert pixels[:, 8:].min() >= 252


def test_the_orientation_is_applied_before_halving() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown rotated by 90 degrees: the right half is stored below the left one
    stored = np.zeros((16, 8), dtype=np.uint8)
    stored[:8] = 250
    pixels = decode(saved(of(stored), "PNG", exif=exif), Target(8, "gray", pairs="halves")).pixels
    assert (pixels[:, :8] == 0).all()
    assert (pixels[:, 8:] == 250).all()
    with pytest.raises(BadImage, match="7 pixels wide"):
        decode(saved(of(np.zeros((7, 8))), "PNG", exif=exif), Target(8, "gray", pairs="halves"))
