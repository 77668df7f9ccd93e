"""Image pool: Shrivastava et al., "Learning from Simulated and Unsupervised Images" (2017), section 2.3.

Replaying earlier outputs of the generator makes the discriminator forget less, which damps oscillation.
"""

import torch
from torch import Tensor, nn


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

        While the pool fills, every image is stored and returned. Later, with probability 1/2, an image is swapped with
        a stored one, which is returned in its place. A pool of size 0 returns `images`.
        """
        if not self.size:
            return images
        batch = images.clone()
        swaps = torch.rand(len(images), generator=rng, device=images.device).tolist()
        slots = torch.randint(self.size, (len(images),), generator=rng, device=images.device).tolist()
        count = int(self.count)
        for i, (swap, slot) in enumerate(zip(swaps, slots, strict=True)):
            if count < self.size:
                self.images[count] = images[i]
                count += 1
            elif swap < 0.5:
                batch[i] = self.images[slot]
                self.images[slot] = images[i]
        self.count.fill_(count)
        return batch
