"""What needs no learning: the input, smoothed by the Gaussian filter that brings it nearest to the original."""

import numpy as np

from pipeline.arrays import Float64Array, UInt8Array

SIGMAS = (0.5, 0.7, 1.0, 1.4, 2.0)
"""Standard deviations of the filters that are tried, in pixels."""


def smooth(given: UInt8Array, original: UInt8Array) -> UInt8Array:
    """Return the input [H, W, C], or of its smoothed copies the one with the smallest squared error."""
    from scipy.ndimage import gaussian_filter

    values = given.astype(np.float32)
    copies = [given, *(to_bytes(gaussian_filter(values, (sigma, sigma, 0))) for sigma in SIGMAS)]
    return min(copies, key=lambda image: float(np.mean((image.astype(np.float32) - original) ** 2)))


def to_bytes(values: np.typing.NDArray[np.float32]) -> UInt8Array:
    """Round values to pixels."""
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def kept_detail(image: UInt8Array, original: UInt8Array) -> tuple[float, float]:
    """Return the products of the Laplacian of the original [H, W, C] with that of an image, and with itself.

    Their ratio is the share of the original's fine detail that the image has. Noise, which is no detail of the
    original, does not raise it.
    """
    ours, theirs = laplacian(image), laplacian(original)
    return float((ours * theirs).sum()), float((theirs**2).sum())


def laplacian(image: UInt8Array) -> Float64Array:
    """Return the Laplacian of the gray values inside the border, [H - 2, W - 2]."""
    x = image.mean(axis=2, dtype=np.float64)
    found: Float64Array = 4 * x[1:-1, 1:-1] - x[:-2, 1:-1] - x[2:, 1:-1] - x[1:-1, :-2] - x[1:-1, 2:]
    return found
