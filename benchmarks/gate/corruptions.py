"""Corruptions of real images that imitate the failures of a generator.

The corrupted images are evaluated as if they were generated. The highest strength is an obvious failure. Low strengths,
which the gate need not stop, show how the measures increase.
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
    """Real images with labels.

    Attributes:
        images: Fresh images, [n, H, W, C].
        labels: Their labels, [n].
        train: Training images, for the corruptions that copy them.
    """

    images: UInt8
    labels: Int64
    train: UInt8


Apply = Callable[[Real, float, np.random.Generator], UInt8]
"""(real images, strength, random generator) -> corrupted images."""


@dataclass(frozen=True)
class Corruption:
    """A corruption, and what the gate must do about it.

    Attributes:
        key: Name in the table.
        names: Failures that the verdict may name.
        strengths: Strengths from weak to strong.
        must: Strength from which the gate must stop the images.
        apply: Corrupts images.
    """

    key: str
    names: tuple[str, ...]
    strengths: tuple[float, ...]
    must: float
    apply: Apply

    def must_be_stopped(self, strength: float) -> bool:
        """Return whether the gate must stop images of this strength."""
        is_ascending = self.strengths[0] < self.strengths[-1]
        return strength >= self.must if is_ascending else strength <= self.must


def drop_classes(real: Real, classes: float, rng: np.random.Generator) -> UInt8:
    """Remove the last `classes` classes and shuffle the other images."""
    positions = np.flatnonzero(real.labels < real.labels.max() + 1 - classes)
    others: UInt8 = real.images[rng.permutation(positions)]
    return others


def thin_class(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Remove a fraction `share` of the images of one class."""
    members = np.flatnonzero(real.labels == 3)
    removed = rng.choice(members, round(len(members) * share), replace=False)
    others: UInt8 = real.images[np.setdiff1d(np.arange(len(real.images)), removed)]
    return others


def repeat_one_image(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a fraction of the images by one image."""
    out = real.images.copy()
    out[: round(share * len(out))] = out[0]
    return out


def repeat_prototypes(real: Real, each: float, rng: np.random.Generator) -> UInt8:
    """Draw all images from `each` images per class, shifted by up to a pixel and with slight noise."""
    out = []
    for label in range(real.labels.max() + 1):
        members = np.flatnonzero(real.labels == label)
        chosen = rng.choice(members, min(int(each), len(members)), replace=False)
        out.append(real.images[rng.choice(chosen, len(members))])
    return jitter(np.concatenate(out), rng)


def jitter(images: UInt8, rng: np.random.Generator) -> UInt8:
    """Shift images by up to a pixel and add slight noise."""
    shifted = np.stack(
        [
            np.roll(image, (int(dy), int(dx)), (0, 1))
            for image, (dy, dx) in zip(images, rng.integers(-1, 2, (len(images), 2)), strict=True)
        ]
    )
    is_tiny = images.shape[1] <= 8  # a shift by one of eight pixels would be another image
    return add_noise(images if is_tiny else shifted, 4, rng)


def duplicate_samples(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a fraction of the images by exact copies of other images."""
    out = real.images.copy()
    count = round(share * len(out))
    out[:count] = out[rng.integers(count, len(out), count)] if count < len(out) else out[:1]
    return out


def copy_training_images(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a fraction of the images by training images."""
    out = real.images.copy()
    count = round(share * len(out))
    out[:count] = real.train[rng.choice(len(real.train), count, replace=len(real.train) < count)]
    return out


def copy_with_noise(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a fraction of the images by training images, and add slight noise to all."""
    return add_noise(copy_training_images(real, share, rng), 4, rng)


def blur(real: Real, radius: float, rng: np.random.Generator) -> UInt8:
    """Apply a Gaussian blur."""

    def blur_one(image: UInt8) -> UInt8:
        picture = Image.fromarray(image if image.shape[-1] == 3 else image[:, :, 0]).filter(
            ImageFilter.GaussianBlur(radius)
        )
        return np.asarray(picture, dtype=np.uint8).reshape(image.shape)

    return np.stack([blur_one(image) for image in real.images])


def add_noise(images: UInt8, sigma: float, rng: np.random.Generator) -> UInt8:
    """Add Gaussian noise."""
    noisy: UInt8 = np.clip(np.rint(images + rng.normal(0, sigma, images.shape)), 0, 255).astype(np.uint8)
    return noisy


def add_noise_to_real(real: Real, sigma: float, rng: np.random.Generator) -> UInt8:
    """Add Gaussian noise to all images."""
    return add_noise(real.images, sigma, rng)


def blend(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a fraction of the images by means of two images."""
    out = real.images.copy()
    count = round(share * len(out))
    pairs = rng.integers(0, len(out), (2, count))
    out[:count] = (real.images[pairs[0]].astype(np.int32) + real.images[pairs[1]]) // 2
    return out


def reduce_contrast(real: Real, loss: float, rng: np.random.Generator) -> UInt8:
    """Move the pixels of each image towards its mean."""
    mean = real.images.mean(axis=(1, 2, 3), keepdims=True)
    flat: UInt8 = np.rint(mean + (1 - loss) * (real.images - mean)).astype(np.uint8)
    return flat


def add_checkerboard(real: Real, amplitude: float, rng: np.random.Generator) -> UInt8:
    """Add the pattern of strided transposed convolutions to pixels that are not black."""
    side = real.images.shape[1]
    pattern = (np.indices((side, side)).sum(axis=0) % 2 * 2 - 1)[None, :, :, None]
    images: UInt8 = np.clip(real.images + amplitude * pattern * (real.images > 16), 0, 255).astype(np.uint8)
    return images


def brighten(real: Real, shift: float, rng: np.random.Generator) -> UInt8:
    """Add a constant to all pixels."""
    bright: UInt8 = np.clip(real.images.astype(np.int32) + int(shift), 0, 255).astype(np.uint8)
    return bright


CORRUPTIONS = (
    Corruption("drop classes", ("dropped classes",), (1, 2, 5), 1, drop_classes),
    Corruption("halve a class", ("unbalanced classes", "dropped classes"), (0.25, 0.5, 0.75), 0.75, thin_class),
    Corruption("one image", ("complete mode collapse", "repeated samples"), (0.01, 0.1, 1.0), 0.01, repeat_one_image),
    Corruption("prototypes", ("intra-class collapse",), (50, 20, 5), 20, repeat_prototypes),
    Corruption("duplicates", ("repeated samples",), (0.01, 0.05, 0.5), 0.05, duplicate_samples),
    Corruption("copies", ("memorisation",), (0.05, 0.1, 1.0), 0.1, copy_training_images),
    Corruption("noisy copies", ("memorisation",), (0.05, 0.1, 1.0), 0.1, copy_with_noise),
    Corruption("blur", ("blurred",), (0.5, 1.0, 2.0), 1.0, blur),
    Corruption("noise", ("noisy",), (8, 25, 60), 60, add_noise_to_real),
    Corruption("blends", ("unreal samples",), (0.05, 0.5, 1.0), 1.0, blend),
    Corruption("contrast", ("wrong contrast",), (0.1, 0.3, 0.6), 0.3, reduce_contrast),
    Corruption("checkerboard", ("checkerboard artefacts",), (5, 20, 60), 60, add_checkerboard),
    Corruption("brightness", ("wrong brightness",), (10, 40, 80), 40, brighten),
)
