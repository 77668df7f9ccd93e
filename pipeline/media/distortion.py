"""Shift and distort items of any medium, so that networks of an evaluation learn what does not depend on either."""

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST = 0.6
"""Smallest side of a crop, as a share of the side of the item."""

GAIN = 0.4
"""Largest change of the contrast, as a share."""

CHANNEL_GAIN = 0.2
"""Largest change of one channel, as a share."""

OFFSET = 0.2
"""Largest change of the brightness, as a share of the range of values."""


def distort(values: Tensor, rng: torch.Generator) -> Tensor:
    """Crop and enlarge each item [n, C, H, W] in 0 .. 255, and change its contrast and brightness.

    All of it makes sense for pictures, spectrograms, waves and one-hot maps. A side of 1 is not cropped.
    """

    def draw(*shape: int) -> Tensor:
        return (2 * torch.rand(*shape, generator=rng) - 1).to(values.device)

    n, channels = values.shape[:2]
    cropped = crop(values, (1 + SMALLEST) / 2 + (1 - SMALLEST) / 2 * draw(n, 2), draw(n, 2))
    mean = cropped.mean(dim=(1, 2, 3), keepdim=True)
    contrast = (cropped - mean) * (1 + GAIN * draw(n, 1, 1, 1)) + mean
    if channels > 1:
        contrast = contrast * (1 + CHANNEL_GAIN * draw(n, channels, 1, 1))
    return contrast + 255 * OFFSET * draw(n, 1, 1, 1)


def crop(values: Tensor, sides: Tensor, places: Tensor) -> Tensor:
    """Cut a window out of each item and enlarge it to the size of the item.

    Args:
        sides: Width and height of the windows as shares of the item's, [n, 2].
        places: Positions of the windows, from -1 (left, top) to 1, [n, 2].
    """
    transform = torch.zeros(len(values), 2, 3, device=values.device)
    transform[:, 0, 0], transform[:, 1, 1] = sides[:, 0], sides[:, 1]
    transform[:, :, 2] = places * (1 - sides)
    grid = F.affine_grid(transform, list(values.shape), align_corners=False)
    return F.grid_sample(values, grid, padding_mode="border", align_corners=False)


def shift_randomly(values: Tensor, rng: torch.Generator) -> Tensor:
    """Shift every item [n, C, H, W] by its own offset of at most a sixteenth of each side; edges are repeated."""
    n, _, height, width = values.shape
    reach = max(1, height // 16)
    padded = F.pad(values, (reach, reach, reach, reach), mode="replicate")
    dy, dx = torch.randint(0, 2 * reach + 1, (2, n, 1), generator=rng).to(values.device)
    rows = dy + torch.arange(height, device=values.device)
    columns = dx + torch.arange(width, device=values.device)
    items = torch.arange(n, device=values.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[items, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
