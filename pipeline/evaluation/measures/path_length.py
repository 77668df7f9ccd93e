"""Perceptual path length: Karras et al., "A Style-Based Generator Architecture for GANs" (2019), section 4.1.

    E[ d(G(slerp(z1, z2, t)), G(slerp(z1, z2, t + epsilon))) / epsilon^2 ],  t uniform in [0, 1]

It measures how smoothly samples change along a path between two latents. The paper's d is LPIPS. Here it is the squared
Euclidean distance of features, divided by the mean squared distance between two real items. A path whose features go
straight from one item to an unrelated one, at constant speed, has length 1. As in the published code, the shortest and
the longest 1 % of the steps do not count.

Values are not rounded to stored items, because a step of epsilon changes less than a level. With float32, rounding adds
about 1e-3 of a step, which is squared in the measure.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pipeline.arrays import Float64Array

EPSILON = 1e-4
PATHS, BATCH = 200, 50
TRIMMED = 0.01

FeaturesOf = Callable[[Tensor, slice], Float64Array]
"""Latents [n, latent] of some of the paths -> features of their samples [n, d]."""


def path_length(features_of: FeaturesOf, latent: int, seed: int, scale: float) -> float:
    """Return the mean length of steps on paths between random latents.

    Args:
        features_of: Draws samples and returns their features.
        latent: Length of a latent.
        seed: Seed of the latents and of the places on the paths.
        scale: Mean squared distance between the features of two real items.
    """
    first, second, t = draw_paths(latent, seed)
    steps = []
    for start in range(0, PATHS, BATCH):
        rows = slice(start, start + BATCH)
        here, there = (
            features_of(slerp(first[rows], second[rows], t[rows] + offset).float(), rows) for offset in (0.0, EPSILON)
        )
        steps.append(((there - here) ** 2).sum(axis=1))
    lengths = np.sort(np.concatenate(steps)) / EPSILON**2
    cut = int(TRIMMED * len(lengths))
    return float(lengths[cut : len(lengths) - cut].mean() / scale)


def draw_paths(latent: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw both ends of each path, float64 [PATHS, latent], and a place on it in [0, 1], [PATHS, 1]."""
    rng = torch.Generator().manual_seed(seed)
    ends = torch.randn(2, PATHS, latent, generator=rng, dtype=torch.float64)
    return ends[0], ends[1], torch.rand(PATHS, 1, generator=rng, dtype=torch.float64)


def slerp(first: Tensor, second: Tensor, t: Tensor) -> Tensor:
    """Interpolate between rows on a great circle; lengths change linearly in sine and cosine."""
    cosine = torch.nn.functional.cosine_similarity(first, second, dim=1).clamp(-1 + 1e-9, 1 - 1e-9)
    angle = torch.acos(cosine)[:, None]
    return (torch.sin((1 - t) * angle) * first + torch.sin(t * angle) * second) / torch.sin(angle)
