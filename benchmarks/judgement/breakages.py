"""Controlled degradations of real images that imitate the failures of a generator.

Each takes fresh real images and a strength. The highest strength is a failure that anybody would see.
The gate must reject from the strength `must` on; weaker ones show how the measures rise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

UInt8 = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Real:
    """Fresh images [n, H, W, C] with labels, and the training images, which only copies use."""

    images: UInt8
    labels: Int64
    train: UInt8
    train_labels: Int64


Break = Callable[[Real, float, np.random.Generator], UInt8]


@dataclass(frozen=True)
class Breakage:
    """A degradation; `strengths` go from weak to strong, and from `must` on the gate must name one of `names`."""

    key: str
    names: tuple[str, ...]
    strengths: tuple[float, ...]
    must: float
    apply: Break


def drop(real: Real, classes: float, rng: np.random.Generator) -> UInt8:
    """Leave out the last classes."""
    kept = np.flatnonzero(real.labels < real.labels.max() + 1 - classes)
    return refill(real.images, kept, len(real.images), rng, real)


def halve(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Remove the given share of one class."""
    members = np.flatnonzero(real.labels == 3)
    gone = rng.choice(members, round(len(members) * share), replace=False)
    found: UInt8 = real.images[np.setdiff1d(np.arange(len(real.images)), gone)]
    return found


def one_image(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a share of the samples by one image."""
    out = real.images.copy()
    out[: round(share * len(out))] = out[0]
    return out


def prototypes(real: Real, each: float, rng: np.random.Generator) -> UInt8:
    """Repeat a few images of each class, shifted by up to a pixel and slightly noisy."""
    out = []
    for label in range(real.labels.max() + 1):
        members = np.flatnonzero(real.labels == label)
        chosen = rng.choice(members, min(int(each), len(members)), replace=False)
        out.append(real.images[rng.choice(chosen, len(members))])
    return jitter(np.concatenate(out), rng)


def jitter(images: UInt8, rng: np.random.Generator) -> UInt8:
    """Shift images by up to a pixel and add noise."""
    shifted = np.stack(
        [
            np.roll(image, (int(dy), int(dx)), (0, 1))
            for image, (dy, dx) in zip(images, rng.integers(-1, 2, (len(images), 2)), strict=True)
        ]
    )
    side = images.shape[1]
    moved = shifted if side > 8 else images  # at a side of 8, a shift by one pixel changes too much
    return noisy(moved, 4, rng)


def duplicates(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a share of the samples by exact copies of other samples."""
    out = real.images.copy()
    count = round(share * len(out))
    out[:count] = out[rng.integers(count, len(out), count)] if count < len(out) else out[:1]
    return out


def copies(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a share of the samples by training images."""
    out = real.images.copy()
    count = round(share * len(out))
    out[:count] = real.train[rng.choice(len(real.train), count, replace=len(real.train) < count)]
    return out


def noisy_copies(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a share of the samples by training images, and add noise to all."""
    return noisy(copies(real, share, rng), 4, rng)


def blur(real: Real, radius: float, rng: np.random.Generator) -> UInt8:
    """Apply a Gaussian blur."""

    def one(image: UInt8) -> UInt8:
        picture = Image.fromarray(image if image.shape[-1] == 3 else image[:, :, 0]).filter(
            ImageFilter.GaussianBlur(radius)
        )
        return np.asarray(picture, dtype=np.uint8).reshape(image.shape)

    return np.stack([one(image) for image in real.images])


def noisy(images: UInt8, sigma: float, rng: np.random.Generator) -> UInt8:
    """Add Gaussian noise and round to 8 bits."""
    found: UInt8 = np.clip(np.rint(images + rng.normal(0, sigma, images.shape)), 0, 255).astype(np.uint8)
    return found


def noise(real: Real, sigma: float, rng: np.random.Generator) -> UInt8:
    """Add noise to all images."""
    return noisy(real.images, sigma, rng)


def blends(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a share of the samples by the mean of two images."""
    out = real.images.copy()
    count = round(share * len(out))
    pairs = rng.integers(0, len(out), (2, count))
    out[:count] = (real.images[pairs[0]].astype(np.int32) + real.images[pairs[1]]) // 2
    return out


def contrast(real: Real, loss: float, rng: np.random.Generator) -> UInt8:
    """Move every image towards its own mean."""
    mean = real.images.mean(axis=(1, 2, 3), keepdims=True)
    found: UInt8 = np.rint(mean + (1 - loss) * (real.images - mean)).astype(np.uint8)
    return found


def checkerboard(real: Real, amplitude: float, rng: np.random.Generator) -> UInt8:
    """Add the pattern of strided transposed convolutions, except in dark areas."""
    side = real.images.shape[1]
    pattern = (np.indices((side, side)).sum(axis=0) % 2 * 2 - 1)[None, :, :, None]
    found: UInt8 = np.clip(real.images + amplitude * pattern * (real.images > 16), 0, 255).astype(np.uint8)
    return found


def brightness(real: Real, shift: float, rng: np.random.Generator) -> UInt8:
    """Add a constant."""
    found: UInt8 = np.clip(real.images.astype(np.int32) + int(shift), 0, 255).astype(np.uint8)
    return found


def refill(images: UInt8, kept: Int64, n: int, rng: np.random.Generator, real: Real) -> UInt8:
    """Return the kept images in random order; without repeats, so there are fewer than before."""
    found: UInt8 = images[rng.permutation(kept)[:n]]
    return found


BREAKAGES = (
    Breakage("drop classes", ("dropped classes",), (1, 2, 5), 1, drop),
    Breakage("halve a class", ("unbalanced classes", "dropped classes"), (0.25, 0.5, 0.75), 0.75, halve),
    Breakage("one image", ("complete mode collapse", "repeated samples"), (0.01, 0.1, 1.0), 0.01, one_image),
    Breakage("prototypes", ("intra-class collapse",), (50, 20, 5), 20, prototypes),
    Breakage("duplicates", ("repeated samples",), (0.01, 0.05, 0.5), 0.05, duplicates),
    Breakage("copies", ("memorisation",), (0.05, 0.1, 1.0), 0.1, copies),
    Breakage("noisy copies", ("memorisation",), (0.05, 0.1, 1.0), 0.1, noisy_copies),
    Breakage("blur", ("blurred",), (0.5, 1.0, 2.0), 1.0, blur),
    Breakage("noise", ("noisy",), (8, 25, 60), 60, noise),
    Breakage("blends", ("unreal samples",), (0.05, 0.5, 1.0), 1.0, blends),
    Breakage("contrast", ("wrong contrast",), (0.1, 0.3, 0.6), 0.3, contrast),
    Breakage("checkerboard", ("checkerboard artefacts",), (5, 20, 60), 60, checkerboard),
    Breakage("brightness", ("wrong brightness",), (10, 40, 80), 40, brightness),
)
