"""Maps of the mean and the spread of each pixel over a set of images: they show what all images have in common.

A mark in a corner, a border or a constant half hardly changes features, but stands out in these maps.
"""

import functools
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Items, UInt8Array
from pipeline.items import ItemSpec
from pipeline.media.profiles import Profile

NAME = "pixel_maps"
CAPTION = (
    "Mean of each pixel over real and over generated images, its spread over both, and where generated images stand "
    "out. What all samples have in common, such as a mark or a border, shows here."
)
CONSTANT = 0.1  # of the spread of real images, or of the deviation from them, below which a pixel is constant
PART = 0.125  # share of the pixels that something in one place covers at most
LARGEST = 64  # side of a map; the pixels of larger images are averaged in squares


@dataclass(frozen=True)
class PixelMaps:
    """Mean and standard deviation of each pixel, in gray levels, [H, W, C]."""

    mean: Float64Array
    spread: Float64Array

    @classmethod
    def of(cls, moments: Float64Array, shape: tuple[int, int, int]) -> "PixelMaps":
        """Convert the mean of `moments` over a set."""
        first, second = moments.reshape(2, *shape)
        return cls(first, np.sqrt(np.maximum(second - first**2, 0)))


def pixel_maps(spec: ItemSpec) -> Profile:
    """Return the profile whose mean holds both maps."""
    shape = map_shape(spec)
    return Profile(
        NAME,
        functools.partial(moments, square=side_of_square(spec)),
        functools.partial(compare_maps, shape=shape),
        by_class=True,
        describe=functools.partial(describe_place, shape=shape),
        draw=functools.partial(draw_maps, shape=shape),
        caption=CAPTION,
    )


def side_of_square(spec: ItemSpec) -> int:
    """Return how many pixels of an image one pixel of a map stands for, in each direction."""
    return max(1, max(spec.height, spec.width) // LARGEST)


def map_shape(spec: ItemSpec) -> tuple[int, int, int]:
    """Return height, width and channels of the maps of images."""
    square = side_of_square(spec)
    return spec.height // square, spec.width // square, spec.channels


def in_bytes(images: Items) -> FloatArray:
    """Return the values in 0 .. 255, whatever the depth."""
    return images.astype(np.float32) * np.float32(255 / np.iinfo(images.dtype).max)


def moments(images: Items, square: int) -> FloatArray:
    """Return the values of each image in 0 .. 255 and their squares, [n, 2 * H * W * C]."""
    flat = average_squares(in_bytes(images), square).reshape(len(images), -1)
    return np.concatenate([flat, flat**2], axis=1)


def average_squares(values: FloatArray, square: int) -> FloatArray:
    """Return the means of the values [n, H, W, C] in squares, [n, H // square, W // square, C]."""
    if square == 1:
        return values
    n, height, width, channels = values.shape
    height, width = height // square, width // square
    squares = values[:, : height * square, : width * square].reshape(n, height, square, width, square, channels)
    means: FloatArray = squares.mean(axis=(2, 4))
    return means


def compare_maps(fake: Float64Array, real: Float64Array, shape: tuple[int, int, int]) -> float:
    """Return the largest deviation of a pixel in gray levels; see `deviations`."""
    return float(deviations(fake, real, shape).max())


def deviations(fake: Float64Array, real: Float64Array, shape: tuple[int, int, int]) -> Float64Array:
    """Return how much each pixel stands out from the real maps.

    The mean deviates if it lies outside the range of the 3 x 3 real means around the pixel, so that samples that are
    shifted by one pixel do not deviate. The spread deviates if the pixel is constant and real ones are not.

    Args:
        fake: Mean of `moments` over samples.
        real: The same over real images.
        shape: Of the maps.

    Returns:
        Gray levels, [H, W, C]; 0 for pixels that do not stand out.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    samples, reals = (PixelMaps.of(one, shape) for one in (fake, real))
    low, high = (f(reals.mean, size=(3, 3, 1), mode="nearest") for f in (minimum_filter, maximum_filter))
    outside = np.maximum(np.maximum(samples.mean - high, low - samples.mean), 0)
    missing = missing_spread(samples, reals)
    found: Float64Array = np.maximum(outside, missing)
    return found


def missing_spread(samples: PixelMaps, reals: PixelMaps) -> Float64Array:
    """Return the spread that real images have around each pixel and that samples lack; 0 where samples vary."""
    from scipy.ndimage import minimum_filter

    spread = minimum_filter(reals.spread, size=(3, 3, 1), mode="nearest")
    return np.where(samples.spread < CONSTANT * spread, spread - samples.spread, 0.0)


def constant_share(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> float:
    """Return the share of the pixels that stand out which are the same in all samples.

    A mark, a border or a frozen part is. What changes all samples, such as another brightness, leaves them varied; a
    background that is constant in real images, too, is no mark if it stands out as a whole.
    """
    shape = map_shape(spec)
    found = deviations(fake, real, shape)
    if found.max() == 0:
        return 0.0
    samples, reals = (PixelMaps.of(one, shape) for one in (fake, real))
    constant = missing_spread(samples, reals) > 0
    stands_out = found > found.max() / 2
    if stands_out.mean() <= PART:
        constant |= samples.spread < CONSTANT * found
    return float(constant[stands_out].mean())


def draw_maps(fake: Float64Array, real: Float64Array, shape: tuple[int, int, int]) -> UInt8Array:
    """Return pictures of the maps: mean of real images and of samples, spread of both, and where samples stand out."""
    samples, reals = (PixelMaps.of(one, shape) for one in (fake, real))
    maps = [reals.mean, samples.mean, reals.spread, samples.spread, deviations(fake, real, shape)]
    return np.clip(np.rint(maps), 0, 255).astype(np.uint8)


def describe_place(fake: Float64Array, real: Float64Array, shape: tuple[int, int, int]) -> str:
    """Return where and how much samples stand out, in words."""
    found = deviations(fake, real, shape).max(axis=2)
    row, column = (int(k) for k in np.unravel_index(found.argmax(), found.shape))
    share = float(np.mean(found > found.max() / 2))
    vertical = ("top", "middle", "bottom")[min(2, 3 * row // shape[0])]
    horizontal = ("left", "centre", "right")[min(2, 3 * column // shape[1])]
    samples, reals = (PixelMaps.of(one, shape).spread.max(axis=2) for one in (fake, real))
    constant = float(np.mean((samples < CONSTANT * reals) & (reals > 1)))
    also = f"; {100 * constant:.2g} % are the same in all samples" if constant else ""
    return (
        f"{100 * share:.2g} % of the pixels stand out from real images by up to {found.max():.0f} of 255 gray levels, "
        f"most at row {row + 1}, column {column + 1} ({vertical} {horizontal}){also}"
    )
