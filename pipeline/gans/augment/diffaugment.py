"""DiffAugment: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training" (2020).

The policy "color, translation, cutout".
"""

import torch
from torch import Tensor

MAX_SHIFT = 1 / 8  # fraction of the side
CUTOUT = 1 / 2  # fraction of the side


def diffaugment(images: Tensor, probability: Tensor, rng: torch.Generator) -> Tensor:
    """Apply all three transformations to each of the images [B, C, H, W] in [-1, 1], with `probability`."""
    chosen = torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device) < probability
    return torch.where(chosen, cutout(translate(jitter_colour(images, rng), rng), rng), images)


def jitter_colour(images: Tensor, rng: torch.Generator) -> Tensor:
    """Shift brightness by -0.5 to 0.5, scale saturation by 0 to 2 and contrast by 0.5 to 1.5."""
    brightness, saturation, contrast = torch.rand(3, len(images), 1, 1, 1, generator=rng, device=images.device)
    images = images + brightness - 0.5
    gray = images.mean(dim=1, keepdim=True)
    images = (images - gray) * 2 * saturation + gray
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    result: Tensor = (images - mean) * (contrast + 0.5) + mean
    return result


def translate(images: Tensor, rng: torch.Generator) -> Tensor:
    """Translate by whole pixels, up to an eighth of the side, with zero padding."""
    n, channels, height, width = images.shape
    max_dy, max_dx = round(height * MAX_SHIFT), round(width * MAX_SHIFT)
    dy = torch.randint(-max_dy, max_dy + 1, (n, 1, 1), generator=rng, device=images.device)
    dx = torch.randint(-max_dx, max_dx + 1, (n, 1, 1), generator=rng, device=images.device)
    y = torch.arange(height, device=images.device).view(1, height, 1) + dy
    x = torch.arange(width, device=images.device).view(1, 1, width) + dx
    inside = ((y >= 0) & (y < height) & (x >= 0) & (x < width)).unsqueeze(1)
    index = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).view(n, 1, -1).expand(-1, channels, -1)
    return images.flatten(2).gather(2, index).view_as(images) * inside


def cutout(images: Tensor, rng: torch.Generator) -> Tensor:
    """Set a square of half the side to 0, at a random position; it may lie partly outside."""
    n, _, height, width = images.shape
    cut_height, cut_width = round(height * CUTOUT), round(width * CUTOUT)
    top = torch.randint(height + 1 - cut_height % 2, (n, 1, 1), generator=rng, device=images.device) - cut_height // 2
    left = torch.randint(width + 1 - cut_width % 2, (n, 1, 1), generator=rng, device=images.device) - cut_width // 2
    y = torch.arange(height, device=images.device).view(1, height, 1)
    x = torch.arange(width, device=images.device).view(1, 1, width)
    hole = (y >= top) & (y < top + cut_height) & (x >= left) & (x < left + cut_width)
    return images * ~hole.unsqueeze(1)
