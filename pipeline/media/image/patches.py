"""Profiles of small patches of images: their colours, colours within them, and their spectrum; and of whole images.

Features of whole images average such faults away: patches of a wrong colour, or a grain in areas of one tone.
"""

import functools
from collections.abc import Sequence

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Items
from pipeline.items import ItemSpec
from pipeline.media.image.pixel_maps import in_bytes
from pipeline.media.image.profiles import TONES, distribution
from pipeline.media.profiles import Profile

LARGE = 64  # side from which patches have 8 pixels instead of 4
INVISIBLE = 36.0
"""Power, in squared gray levels, that is added to each band: 6 gray levels are just seen between two areas."""
MIXES = np.array(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1]], dtype=float
)
DIRECTIONS = (MIXES / np.linalg.norm(MIXES, axis=1, keepdims=True)).astype(np.float32)
"""Directions in the space of brightness and two colours, along which the colours of patches are compared."""
BANDS = 3
LOUD = 32.0  # decibels above invisible, of the highest threshold
SPREAD = 128.0  # gray levels, of the highest threshold
SAME = 2.0  # gray levels: a spread of real images below this is none


def patch_profiles(spec: ItemSpec) -> Sequence[Profile]:
    """Return the profiles of results of a transformation."""
    size = side_of_patch(spec)
    found = [
        Profile("patch_spectrum", functools.partial(patch_spectrum, size=size), compare_bands, transformed=True),
        Profile("style_spread", styles, compare_styles, transformed=True),
    ]
    if spec.channels == 3:
        colours = functools.partial(patch_colours, size=size)
        spread = functools.partial(colour_spread, size=size)
        found += [
            Profile("patch_colours", colours, compare_colours, transformed=True),
            Profile("patch_chroma", spread, compare_spread, transformed=True),
        ]
    return found


def side_of_patch(spec: ItemSpec) -> int:
    """Return the side of a patch in pixels."""
    side = min(spec.height, spec.width)
    return min(side, 8 if side >= LARGE else 4)


def side_in(images: Items) -> int:
    """Return the side of a patch of images [n, H, W, C] in pixels."""
    height, width, channels = images.shape[1:]
    return side_of_patch(ItemSpec(height=height, width=width, channels=channels))


def cut(images: FloatArray, size: int) -> FloatArray:
    """Cut images [n, H, W, C] into adjacent patches [n, patches, size * size, C]."""
    n, height, width, channels = images.shape
    down, across = height // size, width // size
    inner = images[:, : down * size, : across * size].reshape(n, down, size, across, size, channels)
    return inner.transpose(0, 1, 3, 2, 4, 5).reshape(n, down * across, size * size, channels)


def opponent(images: Items) -> FloatArray:
    """Return brightness and two colours of each pixel in orthogonal coordinates, in gray levels, [n, H, W, 3]."""
    x = in_bytes(images)
    red, green, blue = x[..., 0], x[..., 1], x[..., 2]
    axes = (red + green + blue) / np.sqrt(3), (red - green) / np.sqrt(2), (red + green - 2 * blue) / np.sqrt(6)
    return np.stack(axes, axis=-1)


def patch_errors(images: Items, others: Items) -> Float64Array:
    """Return the mean distance of the mean colours of patches of each pair of images [n, H, W, C], in gray levels."""
    size = side_in(images)
    means, theirs = (cut(in_bytes(one), size).mean(axis=2) for one in (images, others))
    return np.asarray(np.linalg.norm(means - theirs, axis=2).mean(axis=1) / np.sqrt(images.shape[3]), dtype=np.float64)


def patch_colours(images: Items, size: int) -> FloatArray:
    """Return the distributions of the mean colours of patches along fixed directions, [n, directions * 32]."""
    means = cut(opponent(images), size).mean(axis=2)
    reach = 256 * np.sqrt(3)
    parts = [distribution(means @ direction, -reach / 2, reach) for direction in DIRECTIONS]
    return np.concatenate(parts, axis=1)


def compare_colours(fake: Float64Array, real: Float64Array) -> float:
    """Return the sliced earth mover's distance of the colours of patches, in gray levels: the largest slice."""
    gaps = np.abs(fake - real).reshape(len(DIRECTIONS), TONES).mean(axis=1)
    return float(gaps.max() * 256 * 1.5 * np.sqrt(3))


def colour_spread(images: Items, size: int) -> FloatArray:
    """Return the distribution of the standard deviation of the colours within a patch, without brightness, [n, 32]."""
    return distribution(spreads_in_patches(images, size), 0, SPREAD)


def spreads_in_patches(images: Items, size: int) -> FloatArray:
    """Return the standard deviation of the colours within each patch, without brightness, [n, patches]."""
    patches = cut(opponent(images)[..., 1:], size)
    return np.asarray(np.sqrt(patches.var(axis=2).sum(axis=2)))


def patch_excess(images: Items, others: Items) -> Float64Array:
    """Return by how much more colours differ within the patches of each image than of the other, in gray levels, [n].

    Args:
        images, others: Pairs of images of three channels.
    """
    size = side_in(images)
    ours, theirs = (spreads_in_patches(one, size).mean(axis=1) for one in (images, others))
    return np.asarray(ours - theirs, dtype=np.float64)


def compare_spread(fake: Float64Array, real: Float64Array) -> float:
    """Return the earth mover's distance of how much colours differ within a patch, in gray levels."""
    return float(np.abs(fake - real).mean() * SPREAD)


def patch_spectrum(images: Items, size: int) -> FloatArray:
    """Return the distributions of the power of patches in three bands of frequency, in decibels, [n, 3 * 32]."""
    from scipy.fft import dctn

    patches = cut(in_bytes(images).mean(axis=3, keepdims=True), size)
    n, count = patches.shape[:2]
    power = np.square(dctn(patches.reshape(n, count, size, size), axes=(2, 3), norm="ortho")).reshape(n, count, -1)
    decibels = 10 * np.log10((power @ bands_of_patch(size) + INVISIBLE) / INVISIBLE)
    return np.concatenate([distribution(decibels[..., band], 0, LOUD) for band in range(BANDS)], axis=1)


@functools.cache
def bands_of_patch(size: int) -> FloatArray:
    """Return weights that average the coefficients of a patch over bands, without its mean, [size * size, 3]."""
    radius = np.maximum(np.arange(size)[:, None], np.arange(size)[None]).ravel()
    band = np.minimum(radius * BANDS // size, BANDS - 1)
    weights = np.eye(BANDS, dtype=np.float32)[band]
    weights[0] = 0
    return np.asarray(weights / np.maximum(weights.sum(axis=0), 1))


def compare_bands(fake: Float64Array, real: Float64Array) -> float:
    """Return the earth mover's distance of the power of patches, in decibels: that of the band where it is largest."""
    return float(np.abs(fake - real).reshape(BANDS, TONES).mean(axis=1).max() * LOUD)


def styles(images: Items) -> FloatArray:
    """Return the mean colour of each image and its square, [n, 2 * channels of `opponent`]."""
    values = opponent(images) if images.shape[3] == 3 else in_bytes(images)
    means = values.mean(axis=(1, 2))
    return np.concatenate([means, means**2], axis=1)


def compare_styles(fake: Float64Array, real: Float64Array) -> float:
    """Return how much the mean colours of images differ, relative to real images: brightness or colours, the less."""
    ours, theirs = (spread_of_styles(moments) for moments in (fake, real))
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True) if other > SAME]
    return float(min(ratios, default=1.0))


def spread_of_styles(moments: Float64Array) -> list[float]:
    """Return the standard deviation of brightness and, of colour images, that of the colours."""
    first, second = moments.reshape(2, -1)
    variance = np.maximum(second - first**2, 0)
    parts = [variance[:1], variance[1:]] if len(variance) > 1 else [variance]
    return [float(np.sqrt(part.sum())) for part in parts]
