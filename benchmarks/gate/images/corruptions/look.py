"""Failures in the look of all samples: blur, noise, contrast, colours, marks."""

from typing import Any

import numpy as np
from PIL import Image

from benchmarks.gate.failure import Failure, Real, UInt8, at_least, clip, is_colour, replace
from benchmarks.gate.images.corruptions.classes import CLASS
from benchmarks.gate.images.corruptions.filters import compress, gaussian_blur, median, per_image, sharpen, shift


def reduce_contrast(real: Real, loss: float, rng: np.random.Generator) -> UInt8:
    """Move the pixels of each image towards its mean."""
    mean = real.images.mean(axis=(1, 2, 3), keepdims=True)
    return clip(mean + (1 - loss) * (real.images - mean))


def add_checkerboard(real: Real, amplitude: float, rng: np.random.Generator) -> UInt8:
    """Add the pattern of strided transposed convolutions to pixels that are not black."""
    side = real.images.shape[1]
    pattern = (np.indices((side, side)).sum(axis=0) % 2 * 2 - 1)[None, :, :, None]
    return clip(real.images + amplitude * pattern * (real.images > 16))


def salt_and_pepper(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Set a fraction of the pixels to black or white."""
    out, draws = real.images.copy(), rng.random(real.images.shape[:3])
    out[draws < share / 2] = 0
    out[draws > 1 - share / 2] = 255
    return out


def posterise(real: Real, levels: float, rng: np.random.Generator) -> UInt8:
    """Reduce pixels to a few levels."""
    step = 256 // int(levels)
    reduced: UInt8 = (real.images // step * step + step // 2).astype(np.uint8)
    return reduced


def mark_corner(real: Real, pixels: float, rng: np.random.Generator) -> UInt8:
    """Draw a white square into a corner of each image."""
    out, size = real.images.copy(), int(pixels)
    out[:, 1 : 1 + size, -1 - size : -1] = 255
    return out


def mark_some(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Draw a white square of 3 pixels into a corner of a fraction of the images."""
    return replace(real.images, mark_corner(real, 3, rng), share, rng)


def mark_class(real: Real, height: float, rng: np.random.Generator) -> UInt8:
    """Draw a white bar into the middle of the images of one class."""
    out, side = real.images.copy(), real.side
    rows = slice(side // 2, side // 2 + int(height))
    out[real.labels == CLASS, rows, side // 4 : 3 * side // 4] = 255
    return out


def add_border(real: Real, width: float, rng: np.random.Generator) -> UInt8:
    """Draw a border: white around dark images, black around bright ones."""
    w, out = int(width), np.full_like(real.images, 255 if real.images[:, 0].mean() < 40 else 0)
    out[:, w:-w, w:-w] = real.images[:, w:-w, w:-w]
    return out


def freeze_part(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace the right part of each image by that of one image."""
    out, start = real.images.copy(), round(real.side * (1 - share))
    out[:, :, start:] = out[0, :, start:]
    return out


def turn_hue(real: Real, steps: float, rng: np.random.Generator) -> UInt8:
    """Turn the hue of all pixels by `steps` of 256."""

    def turn(picture: Image.Image) -> Image.Image:
        hue, saturation, value = picture.convert("HSV").split()
        return Image.merge("HSV", (hue.point(lambda h: (h + int(steps)) % 256), saturation, value)).convert("RGB")

    return per_image(real.images, turn)


def remove_colour(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Remove the colour of a fraction of the images."""
    gray = np.rint(real.images.mean(axis=3, keepdims=True)).astype(np.uint8)
    return replace(real.images, np.repeat(gray, 3, axis=3), share, rng)


def swap_channels(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Exchange red and blue in a fraction of the images."""
    return replace(real.images, real.images[..., ::-1], share, rng)


def failure(key: str, names: str, strengths: tuple[float, ...], apply: Any, **about: Any) -> Failure[Real]:
    """Return a failure; `apply` takes the images and the strength alone, or is a complete corruption."""
    return Failure(key, tuple(name.strip() for name in names.split("|")), strengths, apply, **about)


MARKED = "constant mark | unreal samples | broken samples"
TINY = " | noisy"
"""Images of 8 pixels are one block of JPEG, whose edges cannot be seen: what is left is noise."""
COLOURS = "wrong colours | colour cast | swapped colours"
FAILURES = (
    failure("blur", "blurred", (0.5, 1, 2), lambda real, r, rng: gaussian_blur(real.images, r), must=1),
    failure("median", "blurred", (0.3, 1), lambda r, s, g: replace(r.images, median(r.images), s, g), must=1),
    failure("sharpened", "over-sharpened", (50, 150), lambda r, p, g: sharpen(r.images, p), must=150),
    failure(
        "noise",
        "noisy",
        (2, 12, 25, 60),
        lambda real, sigma, rng: clip(real.images + rng.normal(0, sigma, real.images.shape)),
        must=25,
        accept=2,
    ),
    failure("salt and pepper", "impulse noise", (0.005, 0.02, 0.1), salt_and_pepper, must=0.02),
    failure(
        "JPEG",
        "compression artefacts" + TINY,
        (75, 30, 10),
        lambda real, quality, rng: compress(real.images, quality),
        must=30,
        accept=75,
    ),
    failure("posterised", "posterised", (32, 8, 4), posterise, must=8),
    failure("contrast", "wrong contrast", (0.1, 0.3, 0.6), reduce_contrast, must=0.3),
    failure("clipped", "wrong contrast", (1.2, 1.5), lambda r, a, g: clip((r.images - 128.0) * a + 128), must=1.5),
    failure("brightness", "wrong brightness", (10, 40, 80), lambda real, d, rng: clip(real.images + float(d)), must=40),
    failure(
        "gamma",
        "wrong brightness | wrong contrast",
        (0.8, 0.5),
        lambda real, power, rng: clip(255 * (real.images / 255.0) ** power),
        must=0.5,
    ),
    failure(
        "value range",
        "wrong contrast | wrong brightness | value range",
        (8, 16),
        lambda real, low, rng: clip(low + real.images * ((255 - 2.25 * low) / 255)),
        must=16,
    ),
    failure("checkerboard", "checkerboard artefacts", (5, 20, 60), add_checkerboard, must=20),
    failure("corner mark", "constant mark", (1, 2, 3), mark_corner, must=1),
    failure("corner mark on some", MARKED, (0.1, 0.5), mark_some, must=0.1),
    failure("bar on a class", MARKED + " | poor class", (1, 2), mark_class, must=1),
    failure("border", "constant mark", (1, 2), add_border, must=1),
    failure("frozen part", "constant mark | low diversity", (0.25, 0.5), freeze_part, must=0.5),
    failure(
        "shifted",
        "shifted | misplaced",
        (1, 2, 4),
        lambda real, pixels, rng: shift(real.images, int(pixels)),
        must=4,
        accept=1,
        exists=at_least(28),
    ),
    failure("hue", COLOURS, (10, 43, 128), turn_hue, must=10, exists=is_colour),
    failure("gray", COLOURS + "| low diversity", (0.1, 0.3, 1), remove_colour, must=0.1, exists=is_colour),
    failure("red and blue swapped", COLOURS, (0.3, 1), swap_channels, must=0.3, exists=is_colour),
)
