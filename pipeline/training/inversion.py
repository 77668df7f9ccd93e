"""Inversion: find latents whose items are given ones, by optimisation (Abdal 2019; Karras 2020, section 5).

The search starts from the best of many random samples, so that it finds the class by itself, and follows the gradient
of the difference from there. A prior keeps latents where those of samples lie, so that they can be edited.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pipeline.gans.latents import Invertible

Progress = Callable[[range, str], Iterable[int]]

SMALLEST_SIDE = 4
"""Differences are also compared after halving the sides, down to this one."""


@dataclass(frozen=True)
class Search:
    """Settings of the search.

    Attributes:
        samples: Random samples among which it starts.
        starts: Number of the best of them that are followed.
        steps: Updates of Adam.
        rate: Learning rate in standard deviations of the latents; falls to 0 (cosine).
        prior: Weight of the mean square of the latents, in standard deviations from their mean.
        batch: Rows computed at a time.
    """

    samples: int = 1000
    starts: int = 4
    steps: int = 300
    rate: float = 0.1
    prior: float = 0.002
    batch: int = 256


@dataclass(frozen=True)
class Pool:
    """Random samples, and where their latents lie.

    Attributes:
        latents: [m, ...] as `Invertible.encode` returns them.
        labels: int64 [m]; zeros if the model takes no label.
        images: [m, C, H, W].
    """

    latents: Tensor
    labels: Tensor
    images: Tensor

    def centre(self) -> tuple[Tensor, Tensor]:
        """Return the mean of the latents of each label [K, ...], and the standard deviation within labels [...]."""
        means = torch.zeros(int(self.labels.max()) + 1, *self.latents.shape[1:], device=self.latents.device)
        count = self.labels.bincount().clamp(min=1)
        means.index_add_(0, self.labels, self.latents)
        means /= count.reshape(-1, *[1] * (means.ndim - 1))
        deviation = (self.latents - means[self.labels]).square().mean(dim=0).sqrt()
        return means, deviation.clamp(min=1e-3 * float(deviation.max()))


@dataclass(frozen=True)
class Inverse:
    """The latents that were found for n items.

    Attributes:
        latents: [n, ...] as `Invertible.encode` returns them.
        labels: int64 [n], the label that each goes with; zeros if the model takes no label.
        images: What they look like, [n, C, H, W] in [-1, 1].
    """

    latents: Tensor
    labels: Tensor
    images: Tensor


def draw_pool(gan: Invertible, label: int | None, search: Search, rng: torch.Generator, device: torch.device) -> Pool:
    """Draw samples of one label, or of all labels in turn."""
    z = torch.randn(search.samples, gan.latent, generator=rng).to(device)
    labels = torch.arange(search.samples, device=device) % max(gan.classes, 1)
    if label is not None:
        labels = torch.full_like(labels, label)
    parts = []
    with torch.no_grad():
        for at in batches(search.samples, search.batch):
            latents = gan.encode(z[at], labels[at])
            parts.append((latents, gan.render(latents, labels[at]).clamp(-1, 1)))
    return Pool(torch.cat([one for one, _ in parts]), labels, torch.cat([images for _, images in parts]))


def invert(
    gan: Invertible, targets: Tensor, label: int | None, search: Search, rng: torch.Generator, progress: Progress
) -> Inverse:
    """Find the latents of items.

    Args:
        gan: The model, whose weights need no gradient.
        targets: Network values [n, C, H, W] on the model's device.
        label: The label of all of them; None tries all.
        search: Settings.
        rng: Random generator on the CPU.
        progress: Shows the progress.
    """
    n, device = len(targets), targets.device
    pool = draw_pool(gan, label, search, rng, device)
    nearest = torch.cdist(targets.flatten(1), pool.images.flatten(1)).topk(search.starts, largest=False).indices
    rows = nearest.flatten()
    labels, wanted = pool.labels[rows], targets.repeat_interleave(search.starts, dim=0)
    means, deviation = pool.centre()
    offset = ((pool.latents[rows] - means[labels]) / deviation).requires_grad_()
    optimizer = torch.optim.Adam([offset], lr=search.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, search.steps)
    for _ in progress(range(search.steps), "projection"):
        optimizer.zero_grad()
        for at in batches(len(rows), search.batch):
            images = gan.render(means[labels[at]] + deviation * offset[at], labels[at])
            loss = difference(clip_towards(images, wanted[at]), wanted[at]) + search.prior * offset[
                at
            ].square().flatten(1).mean(dim=1)
            torch.autograd.backward(loss.sum())
        optimizer.step()
        schedule.step()
    latents = means[labels] + deviation * offset.detach()
    with torch.no_grad():
        images = torch.cat([gan.render(latents[at], labels[at]) for at in batches(len(rows), search.batch)]).clamp(
            -1, 1
        )
    errors = (images - wanted).square().flatten(1).mean(dim=1).reshape(n, search.starts)
    best = errors.argmin(dim=1) + search.starts * torch.arange(n, device=device)
    return Inverse(latents[best], labels[best], images[best])


def batches(n: int, size: int) -> list[slice]:
    """Return 0 .. n-1 in slices."""
    return [slice(start, start + size) for start in range(0, n, size)]


def clip_towards(images: Tensor, targets: Tensor) -> Tensor:
    """Return images whose values beyond -1 and 1 are clipped where the target is the bound.

    Elsewhere they stay, so that their gradient leads back.
    """
    met = ((targets >= 1) & (images > 1)) | ((targets <= -1) & (images < -1))
    return torch.where(met, targets, images)


def difference(images: Tensor, targets: Tensor) -> Tensor:
    """Return the mean square difference at each of several resolutions, added, [n]."""
    total = (images - targets).square().flatten(1).mean(dim=1)
    while min(images.shape[2:]) >= 2 * SMALLEST_SIDE:
        images, targets = avg_pool2d(images, 2), avg_pool2d(targets, 2)
        total = total + (images - targets).square().flatten(1).mean(dim=1)
    return total


def psnr(images: Tensor, targets: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of values in [-1, 1], in dB, [n]."""
    return 10 * torch.log10(4 / (images - targets).square().flatten(1).mean(dim=1).clamp(min=1e-10))
