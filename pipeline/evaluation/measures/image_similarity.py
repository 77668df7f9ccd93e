"""Compare a restored image with the original: PSNR and SSIM, in RGB and in the luma Y that super-resolution uses.

All values are computed in float64 from 8-bit pixels, after `border` pixels are removed on each side. A PSNR is only
meaningful together with its protocol: RGB or Y, and the border.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import conv2d

from pipeline.arrays import Float64Array, UInt8Array

WHITE = 255.0
C1, C2 = (0.01 * WHITE) ** 2, (0.03 * WHITE) ** 2
SIGMA, RADIUS = 1.5, 5
PERFECT = 100.0  # dB, for two equal images, whose PSNR is infinite


@dataclass(frozen=True)
class Similarity:
    """PSNR in dB and SSIM (1 at best), each in RGB (or gray) and in Y."""

    psnr: float
    ssim: float
    psnr_y: float
    ssim_y: float


def compare_images(image: UInt8Array, original: UInt8Array, border: int) -> Similarity:
    """Compare two images of the same shape, uint8 [H, W, C]; without the border each side needs at least 11 pixels."""
    a, b = (crop_border(one, border).astype(np.float64) for one in (image, original))
    luma_a, luma_b = luma(a), luma(b)
    return Similarity(psnr(a, b), ssim(a, b), psnr(luma_a, luma_b), ssim(luma_a, luma_b))


def crop_border(image: UInt8Array, border: int) -> UInt8Array:
    """Remove `border` pixels on each side."""
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def psnr(image: Float64Array, original: Float64Array) -> float:
    """Compute 10 log10(255^2 / MSE), at most 100 dB; the MSE is the mean over pixels and channels."""
    error = float(np.mean((image - original) ** 2))
    return min(PERFECT, 10 * float(np.log10(WHITE**2 / error))) if error > 0 else PERFECT


def luma(image: Float64Array) -> Float64Array:
    """Convert RGB [H, W, 3] to Y of ITU-R BT.601 in 16..235, [H, W, 1]; return a gray image unchanged.

    MATLAB's rgb2ycbcr, which the literature uses, computes the same.
    """
    if image.shape[2] == 1:
        return image
    weights = np.array([65.481, 128.553, 24.966])
    y: Float64Array = image @ weights / WHITE + 16.0
    return y[:, :, None]


def ssim(image: Float64Array, original: Float64Array) -> float:
    """Compute the structural similarity (Wang et al., 2004), the mean over channels and window positions.

    The window is an 11 x 11 Gaussian with sigma 1.5 at positions where it fits into the image. Covariances are those of
    the population.
    """
    a, b = (torch.from_numpy(np.ascontiguousarray(one.transpose(2, 0, 1)))[:, None] for one in (image, original))
    mean_a, mean_b, square_a, square_b, product = (filter_gaussian(x) for x in (a, b, a * a, b * b, a * b))
    variance_a, variance_b, covariance = square_a - mean_a**2, square_b - mean_b**2, product - mean_a * mean_b
    similarity = ((2 * mean_a * mean_b + C1) * (2 * covariance + C2)) / (
        (mean_a**2 + mean_b**2 + C1) * (variance_a + variance_b + C2)
    )
    return float(similarity.mean())


def filter_gaussian(x: torch.Tensor) -> torch.Tensor:
    """Filter float64 [C, 1, H, W] with the window of SSIM, without padding."""
    offsets = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    window = window / window.sum()
    return conv2d(conv2d(x, window[None, None, :, None]), window[None, None, None, :])


def sharpness(image: UInt8Array) -> float:
    """Compute the mean absolute Laplacian of the gray values, scaled to 0..1: lower with blur, higher with noise."""
    gray = image.astype(np.float64).mean(axis=2) / WHITE
    centre = gray[1:-1, 1:-1]
    return float(np.abs(4 * centre - gray[:-2, 1:-1] - gray[2:, 1:-1] - gray[1:-1, :-2] - gray[1:-1, 2:]).mean())
