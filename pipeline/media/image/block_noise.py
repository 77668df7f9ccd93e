"""Noise of small images: how much samples vary in the directions in which real images hardly vary.

An image of 8 x 8 pixels has no flat area that shows noise. Noise and compression still spread over all directions of
the space of pixels, and real images leave some of these almost empty. The smallest variances of patches thus measure
noise: Pyatykh et al., "Image Noise Level Estimation by Principal Component Analysis" (2013).
"""

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Items
from pipeline.media.image.pixel_maps import in_bytes

NAME = "block_noise"
SIDE = 8  # pixels of a block, at most
QUIETEST = 0.25  # share of the directions that are compared


def block_moments(images: Items) -> FloatArray:
    """Return the means of the values of square blocks of each image, and of their products, [n, d + d * (d + 1) / 2].

    The gray values of images [n, H, W, C] are read relative to the middle of their range. A border that holds no whole
    block is left out.
    """
    x = in_bytes(images).mean(axis=3) - 128  # near 0, products keep their precision
    n, height, width = x.shape
    side = min(SIDE, height, width)
    rows, columns = height // side, width // side
    blocks = x[:, : rows * side, : columns * side].reshape(n, rows, side, columns, side)
    blocks = blocks.transpose(0, 1, 3, 2, 4).reshape(n, rows * columns, side * side)
    products = blocks.transpose(0, 2, 1) @ blocks / (rows * columns)
    upper = np.triu_indices(side * side)
    return np.concatenate([blocks.mean(axis=1), products[:, upper[0], upper[1]]], axis=1)


def compare_block_noise(fake: Float64Array, real: Float64Array) -> float:
    """Return how much larger the spread of samples is where real blocks vary least, in gray levels."""
    ours, theirs = covariance(fake), covariance(real)
    directions = np.linalg.eigh(theirs)[1][:, : max(1, int(QUIETEST * len(theirs)))]
    return spread(ours, directions) - spread(theirs, directions)


def covariance(moments: Float64Array) -> Float64Array:
    """Return the covariance of the pixels of blocks [d, d] whose mean `block_moments` these are."""
    d = int((np.sqrt(9 + 8 * len(moments)) - 3) / 2)
    found = np.zeros((d, d))
    upper = np.triu_indices(d)
    found[upper] = found[upper[::-1]] = moments[d:]
    return np.asarray(found - np.outer(moments[:d], moments[:d]))


def spread(covariances: Float64Array, directions: Float64Array) -> float:
    """Return the root mean squared deviation of blocks along some directions [d, k]."""
    variances = np.einsum("ik,ij,jk->k", directions, covariances, directions)
    return float(np.sqrt(max(variances.mean(), 0.0)))
