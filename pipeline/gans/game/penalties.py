"""Gradient penalties on a discriminator, and the points at which they are evaluated.

`points` [B, ...] must require gradients before `logits` is computed from them. If the discriminator scores packs of
images (PacGAN), there are fewer logits than points, and the gradient is that of a whole pack.
"""

import torch
from torch import Tensor

from pipeline.shared_batch import whole


def input_gradients(logits: Tensor, *points: Tensor) -> Tensor:
    """Return d logit / d point, float32 [len(logits), values of all points]; differentiable."""
    gradients = torch.autograd.grad(logits.sum(), points, create_graph=True)
    return torch.cat([gradient.float().reshape(len(logits), -1) for gradient in gradients], dim=1)


def zero_centred_penalty(logits: Tensor, *points: Tensor) -> Tensor:
    """Return mean |d logit / d point|^2: R1 on real, R2 on generated images (Mescheder 2018, eq. 9 and 10)."""
    return input_gradients(logits, *points).square().sum(dim=1).mean()


def one_centred_penalty(logits: Tensor, points: Tensor) -> Tensor:
    """Return mean (|d logit / d point| - 1)^2 (Gulrajani 2017, eq. 3; Kodali 2017, eq. 4)."""
    # The root has no gradient at zero; 1e-12 keeps it finite.
    return ((input_gradients(logits, points).square().sum(dim=1) + 1e-12).sqrt() - 1).square().mean()


def interpolate(real: Tensor, fake: Tensor, rng: torch.Generator) -> Tensor:
    """Draw a point uniformly on the line between each real and generated image (Gulrajani 2017, algorithm 1)."""
    weight = torch.rand(len(real), *[1] * (real.ndim - 1), generator=rng, device=real.device)
    return (weight * real + (1 - weight) * fake).detach()


def perturb(real: Tensor, rng: torch.Generator) -> Tensor:
    """Add Gaussian noise of half the batch's standard deviation to real images (Kodali 2017, section 2.3)."""
    noise = torch.randn(real.shape, generator=rng, device=real.device)
    return (real + 0.5 * whole(real).std() * noise).detach()
