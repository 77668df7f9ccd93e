"""A pool of earlier translations: Shrivastava et al., "Learning from Simulated and Unsupervised Images" (2017), section 2.3.

A discriminator that is reminded of what the generator made some time ago forgets less, and the two swing less.
"""

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Keeps `size` images [C, R, R]; they are saved and resumed with the networks, being buffers."""

    images: Tensor
    held: Tensor

    def __init__(self, size: int, channels: int, resolution: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, channels, resolution, resolution))
        self.register_buffer("held", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def exchange(self, made: Tensor, rng: torch.Generator) -> Tensor:
        """As many images as are given, [B, C, R, R]: while the pool fills, these; later each one itself, or, as often, one whose place it takes."""
        if not self.size:
            return made
        given = made.clone()
        coins = torch.rand(len(made), generator=rng, device=made.device).tolist()
        places = torch.randint(self.size, (len(made),), generator=rng, device=made.device).tolist()
        held = int(self.held)
        for number, (coin, place) in enumerate(zip(coins, places, strict=True)):
            if held < self.size:
                self.images[held] = made[number]
                held += 1
            elif coin < 0.5:
                given[number] = self.images[place]
                self.images[place] = made[number]
        self.held.fill_(held)
        return given
