"""Image files of every kind: valid ones, and invalid ones with the expected reason for quarantine."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Files = dict[str, bytes]


def picture(seed: int, size: tuple[int, int] = (24, 20), mode: str = "RGB") -> Image.Image:
    """Return a smooth random image that depends on the seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 6, 4), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int) -> bytes:
    """Return a PNG whose header states a size, with almost no data."""
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + ihdr + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :]


@pytest.fixture(scope="session")
def good_files() -> Files:
    """Return images of every kind that must be accepted, by file name."""
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray((np.asarray(picture(5, mode="L")).astype(np.uint16)) * 257)
    real = Image.fromarray(np.asarray(picture(6, mode="L")).astype(np.float32) / 255)
    frames = [picture(seed, mode="P") for seed in (7, 8)]
    return {
        "rgb.png": saved(picture(1), "PNG"),
        "gray.png": saved(picture(2, mode="L"), "PNG"),
        "rgba.png": saved(picture(3, mode="RGBA"), "PNG"),
        "gray_alpha.png": saved(picture(4, mode="LA"), "PNG"),
        "sixteen_bits.png": saved(deep, "PNG"),
        "float.tif": saved(real, "TIFF"),
        "animated.gif": saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "animated.png": saved(picture(9), "PNG", save_all=True, append_images=[picture(10)]),
        "palette_transparent.png": saved(picture(11, mode="P"), "PNG", transparency=3),
        "cmyk.jpg": saved(picture(12, mode="CMYK"), "JPEG"),
        "turned.jpg": saved(picture(13), "JPEG", exif=exif),
        "progressive.jpeg": saved(picture(14), "JPEG", progressive=True),
        "one_pixel.png": saved(Image.new("RGB", (1, 1), "#123456"), "PNG"),
        "very_wide.png": saved(picture(15, (3000, 1)), "PNG"),
        "very_tall.png": saved(picture(16, (1, 3000)), "PNG"),
        "png_called.jpg": saved(picture(17), "PNG"),
        "jpeg_called.png": saved(picture(18), "JPEG"),
        "picture.webp": saved(picture(19), "WEBP"),
        "picture.bmp": saved(picture(20), "BMP"),
        "picture.ppm": saved(picture(21), "PPM"),
        "picture.jp2": saved(picture(22), "JPEG2000"),
        "two_tone.png": saved(picture(23, mode="1"), "PNG"),
        "UPPER.PNG": saved(picture(24), "PNG"),
        "no_suffix": saved(picture(25), "PNG"),
        "words and ünïcode 漢字.png": saved(picture(26), "PNG"),
    }


@dataclass(frozen=True)
class BadFiles:
    """Invalid files by name, and a pattern for the error message of each."""

    files: Files
    reasons: dict[str, str]


BYTES_LIMIT = 200_000
PIXELS_LIMIT = 1_000_000


@pytest.fixture(scope="session")
def bad_files() -> BadFiles:
    """Return files of every kind that must be quarantined with the limits BYTES_LIMIT and PIXELS_LIMIT."""
    png, jpeg = saved(picture(31, (64, 64)), "PNG"), saved(picture(32, (64, 64)), "JPEG")
    middle = png.index(b"IDAT") + 40
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bomb = saved(Image.new("1", (12_000, 12_000)), "PNG")
    wild = Image.fromarray(np.array([[-5.0, 1e9], [np.nan, 3.0]], dtype=np.float32))
    table: dict[str, tuple[bytes, str]] = {
        "zero.png": (b"", "empty file"),
        "cut.png": (png[: len(png) // 2], "cannot be decoded"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "cannot be decoded"),
        "cut.webp": (saved(picture(33, (64, 64)), "WEBP")[:60], "not an image|cannot be decoded"),
        "cut.bmp": (saved(picture(34), "BMP")[:300], "cannot be decoded"),
        "cut.tif": (saved(picture(35), "TIFF")[:200], "not an image|cannot be decoded"),
        "cut.jp2": (saved(picture(36, (64, 64)), "JPEG2000")[:120], "not an image|cannot be decoded"),
        "signature_only.png": (png[:8], "not an image|cannot be decoded"),
        "flipped_bit.png": (flipped(png, middle), "cannot be decoded"),
        "text.png": (b"this is no picture", "not an image"),
        "captions": (b"file,caption\na.png,a thing\n", "not an image"),
        "page.jpg": (b"<!DOCTYPE html><html>404</html>", "not an image"),
        "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not an image"),
        "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", "not an image"),
        "paper.pdf": (b"%PDF-1.7\n", "not an image"),
        "noise.jpg": (np.random.default_rng(0).bytes(5000), "not an image"),
        "pickle.png": (b"\x80\x04\x95\x10\x00\x00\x00", "not an image"),
        "bomb.png": (bomb, "12000 x 12000 pixels, over data.limits.pixels"),
        "claims_much.png": (png_header(100_000, 100_000), "decompression bomb"),
        "no_pixels.gif": (b"GIF89a\0\0\0\0\0\0\0;", "not an image|cannot be decoded|no picture"),
        "holds_nothing.png": (png_header(200, 200), "cannot be decoded"),
        "too_large.bin": (bytes(BYTES_LIMIT + 1), "data.limits.bytes"),
        "wild_floats.tif": (saved(wild, "TIFF"), "contains NaN or infinite values"),
    }
    return BadFiles(
        {name: data for name, (data, _) in table.items()}, {name: reason for name, (_, reason) in table.items()}
    )


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a folder of small PNGs with the given names; each has its own seed."""

    def make(names: list[str], folder: str = "source", seeds: dict[str, int] | None = None) -> Path:
        for position, name in enumerate(names):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(saved(picture((seeds or {}).get(name, 1000 + position)), "PNG"))
        return tmp_path / folder

    return make
