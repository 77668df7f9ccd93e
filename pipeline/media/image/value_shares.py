"""How many images show a value at a pixel: a mark on some of them, which hardly moves the mean of the pixel."""

import functools

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Items, UInt8Array
from pipeline.items import ItemSpec
from pipeline.media.image.pixel_maps import average_squares, in_bytes
from pipeline.media.profiles import Profile

NAME = "value_shares"
CAPTION = (
    "Where more samples than real images have one value: the brighter, the more, up to a tenth of the samples; and the "
    "value. A mark on some samples shows here."
)
BINS = 32
"""Bins of the values at a pixel, 8 of 255 gray levels each."""
NEAR = 5
"""Bins of real images that one bin of samples is compared with: values that differ by up to 16 levels look alike."""
WHITE = 0.1
"""Excess share that a picture shows as white."""
SHOWN = 0.2
"""Part of that from which a picture shows the value."""
LARGEST = 32
"""Side of a map; the pixels of larger images are averaged in squares."""


def value_shares(spec: ItemSpec) -> Profile:
    """Return the profile whose mean is the share of the images with a value at a pixel."""
    square = max(1, max(spec.height, spec.width) // LARGEST)
    shape = (spec.height // square, spec.width // square, spec.channels)
    return Profile(
        NAME,
        functools.partial(show_values, square=square),
        functools.partial(compare_shares, shape=shape),
        describe=functools.partial(describe_value, shape=shape),
        draw=functools.partial(draw_values, shape=shape),
        caption=CAPTION,
    )


def show_values(images: Items, square: int) -> FloatArray:
    """Return 1 for the bin of each value of an image and 0 for the other bins, [n, H * W * C * 32]."""
    values = average_squares(in_bytes(images), square)
    bins = np.minimum(values * (BINS / 256), BINS - 1).astype(np.int64)
    shown: FloatArray = np.eye(BINS, dtype=np.float32)[bins.reshape(len(images), -1)].reshape(len(images), -1)
    return shown


def excess_shares(fake: Float64Array, real: Float64Array, shape: tuple[int, int, int]) -> Float64Array:
    """Return how many more samples than real images show a value at a pixel, [H, W, C, 32].

    Real images count if they show a value of the same or of two neighbouring bins at the pixel or next to it, wherever
    most do. So samples that are shifted by one pixel, or a little brighter, show nothing new.

    Args:
        fake: Mean of `show_values` over samples.
        real: The same over real images.
        shape: Of the maps.
    """
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    samples, reals = (one.reshape(*shape, BINS) for one in (fake, real))
    near = uniform_filter1d(reals, NEAR, axis=3, mode="constant") * NEAR
    for axis in (0, 1):
        near = maximum_filter1d(near, 3, axis=axis, mode="nearest")
    found: Float64Array = samples - near
    return found


def compare_shares(fake: Float64Array, real: Float64Array, shape: tuple[int, int, int]) -> float:
    """Return the largest of the `excess_shares`, at least 0."""
    return max(float(excess_shares(fake, real, shape).max()), 0.0)


def draw_values(fake: Float64Array, real: Float64Array, shape: tuple[int, int, int]) -> UInt8Array:
    """Return pictures of the largest of the `excess_shares` at each pixel, and of its value; black if it is small."""
    found = excess_shares(fake, real, shape)
    share = np.clip(found.max(axis=3) / WHITE, 0, 1)
    values = np.where(share > SHOWN, (found.argmax(axis=3) + 0.5) * (256 / BINS), 0)
    return np.stack([255 * share, values]).astype(np.uint8)


def describe_value(fake: Float64Array, real: Float64Array, shape: tuple[int, int, int]) -> str:
    """Return which value too many samples show, and where, in words."""
    found = excess_shares(fake, real, shape)
    row, column, channel, value = (int(k) for k in np.unravel_index(found.argmax(), found.shape))
    share = float(fake.reshape(found.shape)[row, column, channel, value])
    low, high = value * 256 // BINS, (value + 1) * 256 // BINS - 1
    colour = f" of {('red', 'green', 'blue')[channel]}" if shape[2] == 3 else ""
    return (
        f"{100 * share:.2g} % of the samples have a value of {low} to {high}{colour} at row {row + 1}, column "
        f"{column + 1} of {shape[0]} x {shape[1]}; {100 * max(share - found.max(), 0):.2g} % of the real images have a "
        "similar value near there"
    )
