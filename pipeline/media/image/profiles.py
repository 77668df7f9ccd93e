"""Profiles of images: gray levels, colours, spectrum, impulses and block edges.

Each is compared in a unit that tells whether a person sees the difference: gray levels, decibels, or a share of pixels.
"""

import functools
from collections.abc import Sequence

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Items
from pipeline.items import ItemSpec
from pipeline.media.image import block_noise
from pipeline.media.image.pixel_maps import in_bytes, pixel_maps
from pipeline.media.image.placement import placement
from pipeline.media.image.value_shares import value_shares
from pipeline.media.profiles import Profile

TONES = 32  # thresholds of a distribution of values
DIRECTIONS = 4  # of the plane of colours without brightness
BANDS = 8  # of spatial frequency, at most
FLOOR = 1.0
"""Power, in squared gray levels, that is added to each band: weaker signals are invisible."""
IMPULSE = 64  # gray levels by which an impulse differs from the median of its neighbourhood
FLATTEST = 0.1  # of an image shows its noise
FLAT = 10.0  # spread of neighbouring pixels, in gray levels, above which an area hides noise
BLOCK = 8  # pixels of a block of JPEG


def profiles(spec: ItemSpec) -> Sequence[Profile]:
    """Return the profiles of images of a spec."""
    found = [
        Profile("tones", tones, compare_tones),
        Profile("spectrum", functools.partial(spectrum, bands=bands_of(spec.height, spec.width)), compare_spectra),
        Profile("impulses", impulses, difference),
        Profile("gray_levels", gray_levels, relative),
        Profile("grain", grain, relative),
        Profile("flat_noise", flat_noise, compare_flat_noise),
        Profile("pattern_size", phases, compare_phases),
    ]
    missing = lacks(spec)
    if "colours" not in missing:
        found += [Profile("chroma", chroma, compare_chroma), Profile("hue", hue, compare_hues)]
    if "blocks" not in missing:
        compare = functools.partial(blockiness, columns=spec.width - 1)
        found.append(Profile("blocking", steps, compare))
    if "few pixels" not in missing:
        found.append(Profile(block_noise.NAME, block_noise.block_moments, block_noise.compare_block_noise))
    return [*found, pixel_maps(spec), value_shares(spec), placement(spec)]


def lacks(spec: ItemSpec) -> frozenset[str]:
    """Return what images of a spec do not have.

    That is colours, as in "coloured input"; "blocks" of JPEG with edges, or instead "few pixels" without flat areas.
    """
    gray, small = spec.channels != 3, min(spec.height, spec.width) < 2 * BLOCK
    return frozenset(["colours", "coloured input"] * gray + ["blocks" if small else "few pixels"])


def gray(images: Items) -> FloatArray:
    """Return the mean of the channels in 0 .. 255, [n, H, W]."""
    values: FloatArray = in_bytes(images).mean(axis=3)
    return values


def difference(fake: Float64Array, real: Float64Array) -> float:
    """Return how much larger the mean of samples is."""
    return float(fake.mean() - real.mean())


def relative(fake: Float64Array, real: Float64Array) -> float:
    """Return the mean of samples over that of real images."""
    return float((fake.mean() + 1e-6) / (real.mean() + 1e-6))


# --- distributions of values ---


def distribution(values: FloatArray, low: float, high: float) -> FloatArray:
    """Return the shares of values [n, m] above each of 32 thresholds between `low` and `high`, [n, 32]."""
    scaled = np.clip((values - low) * (TONES / (high - low)), 0, TONES - 1).astype(np.int64)
    rows = np.arange(len(values))[:, None] * TONES
    counts = np.bincount((scaled + rows).ravel(), minlength=len(values) * TONES).reshape(len(values), TONES)
    return np.asarray(1 - np.cumsum(counts, axis=1) / values.shape[1], dtype=np.float32)


def tones(images: Items) -> FloatArray:
    """Return the distribution of gray levels of each image, [n, 32]."""
    return distribution(gray(images).reshape(len(images), -1), 0, 256)


def compare_tones(fake: Float64Array, real: Float64Array) -> float:
    """Return the earth mover's distance of two distributions of gray levels, in gray levels."""
    return float(np.abs(fake - real).mean() * 256)


def chroma(images: Items) -> FloatArray:
    """Return the distributions of colour along directions of the plane without brightness, [n, 4 * 32]."""
    first, second = opponents(images)
    angles = np.arange(DIRECTIONS) * np.pi / DIRECTIONS
    low = -128 - 128 / TONES  # gray is in the middle of a bin, so that noise of a few levels leaves it there
    planes = [first * np.cos(a) + second * np.sin(a) for a in angles]
    return np.concatenate([distribution(plane, low, low + 256) for plane in planes], axis=1)


def compare_chroma(fake: Float64Array, real: Float64Array) -> float:
    """Return the sliced earth mover's distance of two distributions of colour, in gray levels: the largest slice."""
    return float(np.abs(fake - real).reshape(DIRECTIONS, TONES).mean(axis=1).max() * 256)


def opponents(images: Items) -> tuple[FloatArray, FloatArray]:
    """Return the coordinates of each pixel in the plane of colours without brightness, [n, H * W] each."""
    x = in_bytes(images).reshape(len(images), -1, 3)
    return (x[..., 0] - x[..., 1]) / np.sqrt(2), (x[..., 0] + x[..., 1] - 2 * x[..., 2]) / np.sqrt(6)


def hue(images: Items) -> FloatArray:
    """Return the axis of the plane of colours along which pixels vary, as the double angle, [n, 2]."""
    first, second = opponents(images)
    return np.stack([(first**2 - second**2).mean(axis=1), (2 * first * second).mean(axis=1)], axis=1)


def compare_hues(fake: Float64Array, real: Float64Array) -> float:
    """Return the angle between the main axes of colour, in degrees from 0 to 90."""
    turned = complex(*fake) * complex(*real).conjugate()
    return float(np.degrees(abs(np.angle(turned))) / 2)


def gray_levels(images: Items) -> FloatArray:
    """Return the number of different values in each image, [n, 1]."""
    values = np.sort(images.reshape(len(images), -1), axis=1)
    return np.asarray(1 + (np.diff(values, axis=1) > 0).sum(axis=1, keepdims=True), dtype=np.float32)


# --- neighbouring pixels ---


def bands_of(height: int, width: int) -> FloatArray:
    """Return weights that average the coefficients of a cosine transform over bands, [H * W, bands]."""
    radius = np.hypot(np.arange(height)[:, None] / height, np.arange(width)[None] / width).ravel()
    count = min(BANDS, max(2, min(height, width) // 2))
    band = np.minimum((radius * count).astype(np.int64), count - 1)
    weights = np.eye(count, dtype=np.float32)[band]
    weights[0] = 0  # the mean of the image
    return np.asarray(weights / weights.sum(axis=0))


def spectrum(images: Items, bands: FloatArray) -> FloatArray:
    """Return the power of the gray values of each image in bands of frequency, low first, [n, bands]."""
    from scipy.fft import dctn

    power: FloatArray = np.square(dctn(gray(images), axes=(1, 2), norm="ortho")).reshape(len(images), -1)
    return power @ bands


def compare_spectra(fake: Float64Array, real: Float64Array) -> float:
    """Return the largest difference of two spectra, in decibels."""
    return float(np.abs(decibels(fake, real)).max())


def decibels(fake: Float64Array, real: Float64Array) -> Float64Array:
    """Return the ratio of two spectra in decibels, [bands]."""
    found: Float64Array = 10 * np.log10((fake + FLOOR) / (real + FLOOR))
    return found


def impulses(images: Items) -> FloatArray:
    """Return the share of pixels that differ from all their neighbours by 64 gray levels or more, [n, 1]."""
    centre = gray(images)
    x = np.pad(centre, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    low, high = np.full_like(centre, 255), np.zeros_like(centre)
    for row in (0, 1, 2):
        for column in (0, 1, 2):
            if (row, column) != (1, 1):
                near = x[:, row : row + centre.shape[1], column : column + centre.shape[2]]
                low, high = np.minimum(low, near), np.maximum(high, near)
    alone = (centre <= low - IMPULSE) | (centre >= high + IMPULSE)
    return np.asarray(alone.mean(axis=(1, 2), dtype=np.float32)[:, None])


def grain(images: Items) -> FloatArray:
    """Return the mean absolute Laplacian in the flatter half of each image, [n, 1]; noise raises it most."""
    x = gray(images)
    centre = x[:, 1:-1, 1:-1]
    laplacian = np.abs(4 * centre - x[:, :-2, 1:-1] - x[:, 2:, 1:-1] - x[:, 1:-1, :-2] - x[:, 1:-1, 2:])
    flat = laplacian.reshape(len(images), -1)
    half = max(1, flat.shape[1] // 2)
    return np.asarray(np.partition(flat, half - 1, axis=1)[:, :half].mean(axis=1, keepdims=True))


def flat_noise(images: Items) -> FloatArray:
    """Return the spread of the values in squares of 3 x 3 pixels, in the flattest tenth of each image, [n, 1].

    Images show noise where nothing else changes.
    """
    x = gray(images) - 128  # near 0, squares keep their precision
    mean, square = box_means(x), box_means(x**2)
    variances = np.maximum(square - mean**2, 0).reshape(len(images), -1)
    place = int(FLATTEST * variances.shape[1])
    return np.asarray(np.sqrt(np.partition(variances, place, axis=1)[:, place, None]), dtype=np.float32)


def compare_flat_noise(fake: Float64Array, real: Float64Array) -> float:
    """Return how much larger the spread of samples is; 0 if real images have no flat areas, as of 8 x 8 pixels."""
    return difference(fake, real) if real.mean() < FLAT else 0.0


def box_means(x: FloatArray) -> FloatArray:
    """Return the means of squares of 3 x 3 values of [n, H, W], [n, H - 2, W - 2]."""
    rows = x[:, :-2] + x[:, 1:-1] + x[:, 2:]
    total: FloatArray = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    return total / 9


def phases(images: Items) -> FloatArray:
    """Return how much the mean of each of the four phases of a period of two pixels is above that of all, [n, 4].

    Strided transposed convolutions leave such a pattern, in the same phase in all images. Edges have no phase.
    """
    x = gray(images)
    means = np.stack([x[:, i::2, j::2].mean(axis=(1, 2)) for i in (0, 1) for j in (0, 1)], axis=1)
    centred: FloatArray = means - means.mean(axis=1, keepdims=True)
    return centred


def compare_phases(fake: Float64Array, real: Float64Array) -> float:
    """Return the strength of the pattern of two pixels that samples have in common, in gray levels."""
    return float((fake - real).std())


def steps(images: Items) -> FloatArray:
    """Return the mean absolute step between neighbouring columns, then rows, at each position, [n, W - 1 + H - 1]."""
    x = gray(images)
    columns, rows = (np.abs(np.diff(x, axis=axis)).mean(axis=3 - axis) for axis in (2, 1))
    return np.concatenate([columns, rows], axis=1)


def blockiness(fake: Float64Array, real: Float64Array, columns: int) -> float:
    """Return how much more samples step at the edges of blocks of 8 pixels than next to them, in gray levels."""
    return float(edge_steps(fake, real, columns).mean())


def edge_steps(fake: Float64Array, real: Float64Array, columns: int) -> Float64Array:
    """Return the same for each edge between two blocks, [edges]."""
    extra = []
    for steps in np.split(fake - real, [columns]):
        edge = np.arange(BLOCK - 1, len(steps) - 1, BLOCK)
        extra.append(steps[edge] - (steps[edge - 1] + steps[edge + 1]) / 2)
    return np.concatenate(extra)
