"""Quarter turns around the last axis of volumes, and mirror images: eight views of each.

With probability 1 the views look alike to the discriminator, and the generator may make some of them only. A smaller
one tells it how volumes stand (Karras 2020, "Training GANs with Limited Data", appendix C).
"""

from collections.abc import Callable

import torch
from torch import Tensor

CHANGES: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda images: images.flip(2),
    lambda images: images.flip(3),
    lambda images: images.transpose(2, 3),
)
"""Together they make all quarter turns, with and without a mirror."""


def turns(images: Tensor, probability: Tensor, rng: torch.Generator) -> Tensor:
    """Apply each change to half of the squares [B, C, S, S]; `probability` below 1 makes that half smaller."""
    for change in CHANGES:
        chosen = torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device) < probability / 2
        images = torch.where(chosen, change(images), images)
    return images
