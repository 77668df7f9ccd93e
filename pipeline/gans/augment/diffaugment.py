"""DiffAugment: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training" (2020): colour, translation and cutout."""

import torch
from torch import Tensor

SHIFT = 1 / 8  # of the side, at most, either way
CUT = 1 / 2  # of the side


def diffaugment(images: Tensor, probability: Tensor, rng: torch.Generator) -> Tensor:
    """Images [B, C, H, W] in [-1, 1], each with `probability` put through all three, each time with its own random numbers."""
    chosen = torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device) < probability
    return torch.where(chosen, cut(shift(recolour(images, rng), rng), rng), images)


def recolour(images: Tensor, rng: torch.Generator) -> Tensor:
    """Brightness by up to half the range of one side, saturation by 0 to 2, contrast by 0.5 to 1.5."""
    brightness, saturation, contrast = torch.rand(3, len(images), 1, 1, 1, generator=rng, device=images.device)
    images = images + brightness - 0.5
    gray = images.mean(dim=1, keepdim=True)
    images = (images - gray) * 2 * saturation + gray
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    result: Tensor = (images - mean) * (contrast + 0.5) + mean
    return result


def shift(images: Tensor, rng: torch.Generator) -> Tensor:
    """Moved by whole pixels, up to an eighth of the side either way; what comes in is 0."""
    n, channels, height, width = images.shape
    most_y, most_x = round(height * SHIFT), round(width * SHIFT)
    dy = torch.randint(-most_y, most_y + 1, (n, 1, 1), generator=rng, device=images.device)
    dx = torch.randint(-most_x, most_x + 1, (n, 1, 1), generator=rng, device=images.device)
    y = torch.arange(height, device=images.device).view(1, height, 1) + dy
    x = torch.arange(width, device=images.device).view(1, 1, width) + dx
    inside = ((y >= 0) & (y < height) & (x >= 0) & (x < width)).unsqueeze(1)
    flat = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).view(n, 1, -1).expand(-1, channels, -1)
    return images.flatten(2).gather(2, flat).view_as(images) * inside


def cut(images: Tensor, rng: torch.Generator) -> Tensor:
    """A square of half the side, anywhere, is 0; part of it may lie outside."""
    n, _, height, width = images.shape
    tall, wide = round(height * CUT), round(width * CUT)
    top = torch.randint(height + 1 - tall % 2, (n, 1, 1), generator=rng, device=images.device) - tall // 2
    left = torch.randint(width + 1 - wide % 2, (n, 1, 1), generator=rng, device=images.device) - wide // 2
    y = torch.arange(height, device=images.device).view(1, height, 1)
    x = torch.arange(width, device=images.device).view(1, 1, width)
    hole = (y >= top) & (y < top + tall) & (x >= left) & (x < left + wide)
    return images * ~hole.unsqueeze(1)
