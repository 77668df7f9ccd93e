"""Clips that cannot be used, each with the reason for which it is set aside."""

from pipeline.media.bundle import MAGIC, pack
from tests.media.video.clip_files import animation, images, numbered, picture, strip

FRAMES = images(numbered(6))
GIF = animation(FRAMES, duration=50)
FOLDER = [(f"{number}.png", picture(image)) for number, image in enumerate(FRAMES)]

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty file"),
    "one-frame GIF": (picture(FRAMES[0], "GIF"), "one picture of 16 x 16 pixels, not several frames"),
    "still picture": (picture(FRAMES[0].resize((20, 16))), "one picture of 20 x 16 pixels"),
    "short": (animation(FRAMES[:3], duration=50), "3 frames, fewer than data.frames 4"),
    "truncated GIF": (GIF[: len(GIF) // 2], "cannot be decoded"),
    "truncated PNG": (strip(numbered(4))[:-30], "cannot be decoded"),
    "truncated WebP": (animation(FRAMES, "WEBP", duration=50)[:-40], "cannot be decoded"),
    "GIF header only": (GIF[:13], "not a clip"),
    "text": (b"hello world " * 20, "not a clip"),
    "web page": (b"<!doctype html><html>", "not a clip but a web page"),
    "zip": (b"PK\3\4" + bytes(60), "not a clip but a zip archive"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    "PDF": (b"%PDF-1.7" + bytes(30), "not a clip but a PDF"),
    "broken MP4": (b"\0\0\0\x18ftypisom" + bytes(40), "MP4 video"),
    "broken WebM": (b"\x1aE\xdf\xa3" + bytes(40), "WebM or Matroska video"),
    "damaged bundle": (pack(FOLDER)[:-5], "damaged bundle"),
    "bundle of nonsense": (MAGIC + b"[1, 2]\n", "damaged bundle"),
    "frame that is no picture": (pack([*FOLDER[:3], ("3.png", b"x")]), "3.png: not an image"),
    "frames of two sizes": (pack([*FOLDER[:3], ("3.png", picture(FRAMES[3].resize((8, 8))))]), "need one size"),
    "missing frame": (pack(FOLDER[:3] + FOLDER[4:]), "missing between number 2 and number 4"),
    "repeated number": (pack([*FOLDER, ("05.png", FOLDER[5][1])]), "number 5: 5.png and 05.png"),
}
