"""How near a restored image is to the original: PSNR and SSIM, in RGB and in the luma that super-resolution is compared in.

Everything is measured on 8-bit pixels, in float64, after `border` pixels have been cut off on every side. **A PSNR without its protocol
means nothing**: RGB or Y, and how much border.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import conv2d

from pipeline.arrays import Float64Array, UInt8Array

WHITE = 255.0
C1, C2 = (0.01 * WHITE) ** 2, (0.03 * WHITE) ** 2
SIGMA, RADIUS = 1.5, 5
PERFECT = 100.0  # dB, for two equal images, whose PSNR has no end


@dataclass(frozen=True)
class Nearness:
    """PSNR in dB and SSIM, each over RGB (or gray) and over Y."""

    psnr: float
    ssim: float
    psnr_y: float
    ssim_y: float


def nearness(image: UInt8Array, original: UInt8Array, border: int) -> Nearness:
    """Of two images uint8 [H, W, C] of one size, whose sides exceed 11 pixels more than twice the border."""
    a, b = (cut(one, border).astype(np.float64) for one in (image, original))
    y, z = luma(a), luma(b)
    return Nearness(psnr(a, b), ssim(a, b), psnr(y, z), ssim(y, z))


def cut(image: UInt8Array, border: int) -> UInt8Array:
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def psnr(image: Float64Array, original: Float64Array) -> float:
    """10 log10(255^2 / MSE), the error averaged over pixels and channels."""
    error = float(np.mean((image - original) ** 2))
    return min(PERFECT, 10 * float(np.log10(WHITE**2 / error))) if error > 0 else PERFECT


def luma(image: Float64Array) -> Float64Array:
    """Y of ITU-R BT.601 in 16..235, [H, W, 1] (as MATLAB's rgb2ycbcr, which the literature uses); a gray image is its own luma."""
    if image.shape[2] == 1:
        return image
    weights = np.array([65.481, 128.553, 24.966])
    y: Float64Array = image @ weights / WHITE + 16.0
    return y[:, :, None]


def ssim(image: Float64Array, original: Float64Array) -> float:
    """Structural similarity (Wang 2004): a Gaussian window of sigma 1.5, 11 x 11, population covariances; the mean over channels, and
    over the places where the window fits."""
    a, b = (torch.from_numpy(np.ascontiguousarray(one.transpose(2, 0, 1)))[:, None] for one in (image, original))
    mean_a, mean_b, square_a, square_b, product = (blurred(x) for x in (a, b, a * a, b * b, a * b))
    variance_a, variance_b, covariance = square_a - mean_a**2, square_b - mean_b**2, product - mean_a * mean_b
    similar = ((2 * mean_a * mean_b + C1) * (2 * covariance + C2)) / (
        (mean_a**2 + mean_b**2 + C1) * (variance_a + variance_b + C2)
    )
    return float(similar.mean())


def blurred(x: torch.Tensor) -> torch.Tensor:
    """float64 [C, 1, H, W] under the window, where it fits."""
    offsets = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    window = window / window.sum()
    return conv2d(conv2d(x, window[None, None, :, None]), window[None, None, None, :])


def sharpness(image: UInt8Array) -> float:
    """Mean absolute Laplacian of the gray values, 0..1: what blur takes and noise adds."""
    gray = image.astype(np.float64).mean(axis=2) / WHITE
    centre = gray[1:-1, 1:-1]
    return float(np.abs(4 * centre - gray[:-2, 1:-1] - gray[2:, 1:-1] - gray[1:-1, :-2] - gray[1:-1, 2:]).mean())
