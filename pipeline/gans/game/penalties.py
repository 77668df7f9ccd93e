"""Gradient penalties on a discriminator, and the points they are measured at.

`points` [B, ...] must have required gradients before `logits` was computed from them. Where a discriminator judges packs of
several images (PacGAN) there are fewer logits than points, and the gradient is that of a whole pack.
"""

import torch
from torch import Tensor


def gradients(logits: Tensor, points: Tensor) -> Tensor:
    """d logit / d point, float32 [len(logits), values]."""
    (gradient,) = torch.autograd.grad(logits.sum(), points, create_graph=True)
    return gradient.float().reshape(len(logits), -1)


def zero_centred(logits: Tensor, points: Tensor) -> Tensor:
    """Mean |d logit / d point|^2: R1 on real images, R2 on generated ones (Mescheder 2018, eq. 9 and 10)."""
    return gradients(logits, points).square().sum(dim=1).mean()


def one_centred(logits: Tensor, points: Tensor) -> Tensor:
    """Mean (|d logit / d point| - 1)^2 (Gulrajani 2017, eq. 3; Kodali 2017, eq. 4)."""
    # The root has no gradient at zero; the smallest normal number keeps it finite and changes nothing else.
    return ((gradients(logits, points).square().sum(dim=1) + 1e-12).sqrt() - 1).square().mean()


def interpolated(real: Tensor, fake: Tensor, rng: torch.Generator) -> Tensor:
    """Points drawn evenly on the line between each real and generated image (Gulrajani 2017, algorithm 1)."""
    share = torch.rand(len(real), *[1] * (real.ndim - 1), generator=rng, device=real.device)
    return (share * real + (1 - share) * fake).detach()


def perturbed(real: Tensor, rng: torch.Generator) -> Tensor:
    """Real images with Gaussian noise of half the batch's standard deviation (Kodali 2017, section 2.3)."""
    noise = torch.randn(real.shape, generator=rng, device=real.device)
    return (real + 0.5 * real.std() * noise).detach()
