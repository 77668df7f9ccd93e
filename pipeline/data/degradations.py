"""From a clean image to the one a camera, a compressor or a small screen would have left of it.

What comes out is rounded to 8 bits and clipped, as the files are that a restored image is made from later.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pipeline.data.batch_sampling import signed
from pipeline.media.image.image import jpeg

Range = tuple[float, float]


@dataclass(frozen=True)
class Degradation:
    """Either bicubic down-sampling by `scale`, or noise: of the kinds that have a range each image gets one, with a strength drawn from it.

    gaussian: standard deviation in 8-bit levels; poisson: photons that make white; jpeg: quality, 1 to 95.
    """

    scale: int = 1
    gaussian: Range | None = None
    poisson: Range | None = None
    jpeg: Range | None = None

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """float [n, C, H, W] in [-1, 1] -> [n, C, H / scale, W / scale]; `rng` lives on the images' device. Sides must be multiples of `scale`."""
        if self.scale > 1:
            clean = shrunk(clean, self.scale)
        kinds: list[tuple[Callable[[Tensor, Tensor, torch.Generator], Tensor], Range]] = [
            (apply, strengths)
            for apply, strengths in (
                (add_gaussian, self.gaussian),
                (count_photons, self.poisson),
                (compress, self.jpeg),
            )
            if strengths is not None
        ]
        if kinds:
            out = torch.empty_like(clean)
            kind = torch.randint(len(kinds), (len(clean),), generator=rng, device=clean.device)
            share = torch.rand(len(clean), 1, 1, 1, generator=rng, device=clean.device)
            for number, (apply, (low, high)) in enumerate(kinds):
                members = kind == number
                out[members] = apply(clean[members], low + (high - low) * share[members], rng)
            clean = out
        return rounded(clean)


def shrunk(images: Tensor, scale: int) -> Tensor:
    """Bicubic with antialias (a = -0.5, as Pillow's and MATLAB's), sides divided by `scale`."""
    height, width = images.shape[2] // scale, images.shape[3] // scale
    return interpolate(images, (height, width), mode="bicubic", antialias=True)


def enlarged(images: Tensor, scale: int) -> Tensor:
    """Bicubic (a = -0.5), rounded to 8 bits: the floor any super-resolution must beat; at scale 1 the images themselves."""
    if scale == 1:
        return images
    return rounded(
        interpolate(images, (images.shape[2] * scale, images.shape[3] * scale), mode="bicubic", antialias=True)
    )


def rounded(images: Tensor) -> Tensor:
    """The nearest values that 8 bits can hold, within [-1, 1]."""
    return images.add(1).mul(127.5).round().clamp(0, 255).div(127.5).sub(1)


def add_gaussian(images: Tensor, sigma: Tensor, rng: torch.Generator) -> Tensor:
    noise = torch.randn(images.shape, generator=rng, device=images.device)
    return images + noise * (sigma / 127.5)


def count_photons(images: Tensor, peak: Tensor, rng: torch.Generator) -> Tensor:
    """Shot noise: a pixel that is `peak` photons bright when white counts as many as come."""
    counted = torch.poisson((images + 1) / 2 * peak, generator=rng)
    return counted / peak * 2 - 1


def compress(images: Tensor, quality: Tensor, rng: torch.Generator) -> Tensor:
    """Through a JPEG file and back."""
    pixels = rounded(images).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    back = [jpeg(picture, round(float(one))) for picture, one in zip(pixels, quality.flatten().tolist(), strict=True)]
    if not back:
        return images
    return signed(torch.from_numpy(np.stack(back)).to(images.device))
