"""Degrade clean images as a camera, a compressor or a small screen does.

The result is rounded to 8 bits and clipped, like the files that a restored image is later made from.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pipeline.media.degradation_kinds import Range, degrade_by_one
from pipeline.media.image.pillow_arrays import compress_jpeg
from pipeline.media.scale import BYTES


@dataclass(frozen=True)
class Degradation:
    """Bicubic down-sampling by `scale`, or noise: each image gets one of the kinds that have a range.

    Attributes:
        gaussian: Standard deviation in 8-bit levels.
        poisson: Photons of a white pixel.
        jpeg: Quality, 1 to 95.
    """

    scale: int = 1
    gaussian: Range | None = None
    poisson: Range | None = None
    jpeg: Range | None = None

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """Degrade float [n, C, H, W] in [-1, 1] to [n, C, H / scale, W / scale].

        Sides must be multiples of `scale`; `rng` lives on the images' device.
        """
        if self.scale > 1:
            clean = downsample(clean, self.scale)
        kinds = (
            (add_gaussian, self.gaussian),
            (add_shot_noise, self.poisson),
            (add_jpeg_artefacts, self.jpeg),
        )
        given = [(apply, strengths) for apply, strengths in kinds if strengths is not None]
        clean = degrade_by_one(clean, given, rng)
        return round_to_bytes(clean)


def downsample(images: Tensor, scale: int) -> Tensor:
    """Divide the sides by `scale`: bicubic with antialiasing (a = -0.5, as in Pillow and MATLAB)."""
    height, width = images.shape[2] // scale, images.shape[3] // scale
    return interpolate(images, (height, width), mode="bicubic", antialias=True)


def upsample(images: Tensor, scale: int) -> Tensor:
    """Multiply the sides by `scale`: bicubic (a = -0.5), rounded to 8 bits; the baseline of super-resolution."""
    if scale == 1:
        return images
    size = (images.shape[2] * scale, images.shape[3] * scale)
    return round_to_bytes(interpolate(images, size, mode="bicubic", antialias=True))


def round_to_bytes(images: Tensor) -> Tensor:
    """Return the nearest values in [-1, 1] that 8 bits can hold."""
    return images.add(1).mul(BYTES.half).round().clamp(0, BYTES.highest).div(BYTES.half).sub(1)


def add_gaussian(images: Tensor, sigma: Tensor, rng: torch.Generator) -> Tensor:
    """Add Gaussian noise of `sigma` 8-bit levels."""
    noise = torch.randn(images.shape, generator=rng, device=images.device)
    return images + noise * (sigma / BYTES.half)


def add_shot_noise(images: Tensor, peak: Tensor, rng: torch.Generator) -> Tensor:
    """Replace each pixel by a Poisson count; a white one has the mean `peak`."""
    counts = torch.poisson((images + 1) / 2 * peak, generator=rng)
    return counts / peak * 2 - 1


def add_jpeg_artefacts(images: Tensor, quality: Tensor, rng: torch.Generator) -> Tensor:
    """Compress each image as JPEG and decode it again."""
    pixels = round_to_bytes(images).add(1).mul(BYTES.half).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    qualities = [round(float(value)) for value in quality.flatten().tolist()]
    decoded = [compress_jpeg(image, value) for image, value in zip(pixels, qualities, strict=True)]
    if not decoded:
        return images
    return (torch.from_numpy(np.stack(decoded)).to(images.device).permute(0, 3, 1, 2) / BYTES.half).sub_(BYTES.offset)
