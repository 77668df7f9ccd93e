"""Complete clips by a variant that predicts frames."""

import torch
from torch import Tensor

from pipeline.gans.base import GAN


@torch.no_grad()
def complete(gan: GAN, real: Tensor, colours: int, rng: torch.Generator) -> Tensor:
    """Return clips [n, T * colours, H, W] with predicted frames: all after the given ones, or every second one.

    Given frames are kept, and no other frame of `real` is read. Each frame is predicted from those before it, predicted
    ones included.
    """
    frames = [*torch.split(real, colours, dim=1)]
    if gan.between:
        for k in range(1, len(frames) - 1, 2):
            frames[k] = gan.sample(len(real), rng, frames=torch.cat([frames[k - 1], frames[k + 1]], 1)).to(real.device)
    else:
        for k in range(gan.past, len(frames)):
            given = torch.cat(frames[k - gan.past : k], 1)
            frames[k] = gan.sample(len(real), rng, frames=given).to(real.device)
    return torch.cat(frames, 1)


def predicted_frames(gan: GAN, frames: int) -> list[int]:
    """Return the numbers of the frames that `complete` predicts in clips of so many frames."""
    return list(range(1, frames - 1, 2)) if gan.between else list(range(gan.past, frames))
