"""Colour profiles: wide-gamut, gray and CMYK images become sRGB; everything else keeps its pixels."""

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from pipeline.media.image.image import Target, decode
from pipeline.media.pictures import srgb_profile

ADOBE_RGB = ((0.6400, 0.3300), (0.2100, 0.7100), (0.1500, 0.0600))
PROPHOTO = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))
D50 = np.array([0.9642, 1.0, 0.8249])
KEEP = Target((1, 1), "rgb", fit="keep")


def fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def assemble(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return a profile with a header and these tags."""
    table, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    size = struct.pack(">I", offset + len(body))
    header = size + b"\0\0\0\0" + bytes.fromhex("02400000") + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + b"".join(map(fixed, D50))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def describe(name: str) -> bytes:
    text = name.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)


def gamma_curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def rgb_profile(primaries: Any, gamma: float, white: npt.NDArray[np.float64] = D50) -> bytes:
    """Return a matrix profile; the columns are scaled so that they sum to the white point D50."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    columns = columns * np.linalg.solve(columns, white)
    columns *= (D50 / white)[:, None]
    tags = {
        b"desc": describe("wide"),
        b"cprt": b"text\0\0\0\0-\0",
        b"wtpt": b"XYZ \0\0\0\0" + b"".join(map(fixed, D50)),
    }
    for name, column in zip(b"rgb", columns.T, strict=True):
        tags[bytes([name]) + b"XYZ"] = b"XYZ \0\0\0\0" + b"".join(map(fixed, column))
        tags[bytes([name]) + b"TRC"] = gamma_curve(gamma)
    return assemble(b"RGB ", tags)


def gray_profile(gamma: float) -> bytes:
    white = b"XYZ \0\0\0\0" + b"".join(map(fixed, D50))
    tags = {b"desc": describe("gray"), b"cprt": b"text\0\0\0\0-\0", b"wtpt": white, b"kTRC": gamma_curve(gamma)}
    return assemble(b"GRAY", tags)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def patches() -> Image.Image:
    """Return colours well inside of sRGB."""
    levels = np.array([80, 120, 160], dtype=np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(3, 9, 3))


def converted(image: Image.Image, profile: bytes, mode: str) -> Image.Image:
    """Return an sRGB image in the space of a profile."""
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    result = ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), target, outputMode=mode)
    assert result is not None
    return result


@pytest.mark.parametrize("primaries", [ADOBE_RGB, PROPHOTO])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_wide_gamut_images_become_srgb(primaries: Any, kind: str) -> None:
    profile = rgb_profile(primaries, 2.2)
    stored = converted(patches(), profile, "RGB")
    assert np.abs(np.asarray(stored, dtype=int) - patches()).max() > 10
    options = {"lossless": True} if kind == "WEBP" else {}
    found = decode(saved(stored, kind, icc_profile=profile, **options), KEEP).pixels
    assert np.abs(found.astype(int) - patches()).max() <= 2


def test_transparency_and_palettes_keep_their_profile() -> None:
    profile = rgb_profile(ADOBE_RGB, 2.2)
    stored = converted(Image.new("RGB", (8, 8), (160, 90, 80)), profile, "RGB")
    layered = stored.copy()
    layered.putalpha(Image.new("L", (8, 8), 255))
    for image in (layered, stored.quantize(4), layered.quantize(4)):
        pixels = decode(saved(image, "PNG", icc_profile=profile), KEEP).pixels
        assert np.abs(pixels.astype(int) - (160, 90, 80)).max() <= 2, image.mode
    clear = stored.copy()
    clear.putalpha(0)
    assert (decode(saved(clear, "PNG", icc_profile=profile), KEEP).pixels == 255).all()


def test_gray_profiles_change_the_tone_of_gray_images() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    linear = decode(saved(Image.fromarray(ramp), "PNG", icc_profile=gray_profile(1.0)), KEEP).pixels
    exact = ramp / 255
    exact = np.where(exact <= 0.0031308, 12.92 * exact, 1.055 * exact ** (1 / 2.4) - 0.055) * 255
    assert np.abs(linear[:, :, 0] - exact).max() <= 1.5
    assert (linear == linear[:, :, :1]).all()
    deep = Image.fromarray(ramp.astype(np.uint16) * 257)
    assert (decode(saved(deep, "PNG", icc_profile=gray_profile(1.0)), KEEP).pixels == linear).all()


def cmyk_profile(cyan: tuple[int, int, int]) -> bytes:
    """Return a table profile: no ink is white, full cyan is a Lab colour, everything else is black."""
    corners = [(0, 128, 128)] * 16
    corners[0], corners[8] = (255, 128, 128), cyan
    ramp = bytes(range(256))
    matrix = b"".join(fixed(float(row == column)) for row in range(3) for column in range(3))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + bytes(sum(corners, ())) + ramp * 3
    tags = {b"desc": describe("ink"), b"cprt": b"text\0\0\0\0-\0", b"A2B0": table}
    profile = assemble(b"CMYK", tags)
    return profile[:12] + b"prtr" + profile[16:20] + b"Lab " + profile[24:]


def test_cmyk_images_show_the_inks_of_their_profile() -> None:
    """Printed cyan is darker than the cyan of a screen, which is what CMYK without a profile becomes."""
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    profile = cmyk_profile((140, 128 - 37, 128 - 50))  # Lab 55, -37, -50
    for kind in ("TIFF", "JPEG"):
        assert np.abs(decode(saved(cyan, kind), KEEP).pixels.astype(int) - (0, 255, 255)).max() <= 1
        found = decode(saved(cyan, kind, icc_profile=profile), KEEP).pixels[4, 4].astype(int)
        assert np.abs(found - (0, 147, 219)).max() <= 8, (kind, found)


@pytest.mark.parametrize(
    "profile", [srgb_profile(), gray_profile(1.0), b"no profile", rgb_profile(ADOBE_RGB, 2.2)[:200]]
)
def test_other_profiles_leave_the_pixels_as_they_are(profile: bytes) -> None:
    """A profile that is sRGB itself, one for other pixels, and damaged ones."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert (decode(saved(Image.fromarray(pixels), "PNG", icc_profile=profile), KEEP).pixels == pixels).all()
    gray = pixels[:, :, 0]
    data = saved(Image.fromarray(gray), "PNG", icc_profile=rgb_profile(ADOBE_RGB, 2.2))
    assert (decode(data, KEEP).pixels == gray[:, :, None]).all()
