"""Gradient penalties on a discriminator."""

import torch
from torch import Tensor


def zero_centred(logits: Tensor, images: Tensor) -> Tensor:
    """Mean over the batch of |d logit / d image|^2: R1 on real images, R2 on generated ones (Mescheder 2018, eq. 9 and 10).

    `images` must have required gradients before `logits` [B] was computed from them.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3)).mean()
