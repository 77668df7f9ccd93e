"""Image pool: Shrivastava et al., "Learning from Simulated and Unsupervised Images" (2017), section 2.3.

Replaying earlier outputs of the generator makes the discriminator forget less, which damps oscillation.
"""

import torch
from torch import Tensor, nn

from pipeline.shared_batch import undivided, whole


class ImagePool(nn.Module):
    """A buffer of `size` images [C, R, R], saved and resumed with the networks."""

    images: Tensor
    count: Tensor

    def __init__(self, size: int, channels: int, resolution: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, channels, resolution, resolution))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def query(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return a batch of current and earlier images, [B, C, R, R], and store some of `images`.

        While the pool fills, every image is returned, and stored if there is a free place. Later, with probability 1/2,
        an image is swapped with a stored one, which is returned in its place. A pool of size 0 returns `images`.
        """
        if not self.size:
            return images
        images = whole(images)
        starts = range(0, len(images), self.size)
        with undivided() as own:
            return own(torch.cat([self.exchange(images[start : start + self.size], rng) for start in starts]))

    def exchange(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Query with at most `size` images. No branch on device values, so that nothing waits for the device."""
        n, device = len(images), images.device
        swaps = (torch.rand(n, generator=rng, device=device) < 0.5) & (self.count >= self.size)
        # Every image has a slot of its own: the next free ones, or random ones once the pool is full.
        free = self.count + torch.arange(n, device=device)
        random = torch.randperm(self.size, generator=rng, device=device)[:n]
        slots = torch.where(self.count < self.size, free.remainder(self.size), random)
        stored = self.images[slots]
        kept = (swaps | (free < self.size)).view(n, 1, 1, 1)
        self.images[slots] = torch.where(kept, images, stored)
        self.count.add_(n).clamp_(max=self.size)
        return torch.where(swaps.view(n, 1, 1, 1), stored, images)
