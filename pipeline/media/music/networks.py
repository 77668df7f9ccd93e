"""Networks of the evaluation that look at music: one-hot maps [n, C', steps, W] in 0 .. 255."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.items import ItemSpec
from pipeline.media.music.readings import reader_of
from pipeline.media.scale import BYTES

DIMS, WIDTH = 64, 96
SEED = 20_140_610
FILTERS, SCALES, KERNEL = 12, 2, 3
PIECES = 4  # parts of an item whose mean pitch is a feature


class PieceClassifier(nn.Sequential):
    """Convolutions over time on the maps of all voices or tracks; returns features [n, 64]."""

    def __init__(self, spec: ItemSpec) -> None:
        steps = (spec.height + 1) // 2
        super().__init__(
            *convolution(spec.network_channels * spec.width, 1),
            *convolution(WIDTH, 2),
            nn.Flatten(),
            nn.Linear(WIDTH * steps, DIMS, bias=False),
            nn.BatchNorm1d(DIMS),
            nn.LeakyReLU(0.1),
        )

    def forward(self, values: Tensor) -> Tensor:
        maps = (values / BYTES.highest).permute(0, 1, 3, 2).flatten(1, 2)
        features: Tensor = super().forward(maps)  # type: ignore[no-untyped-call]
        return features


def convolution(inputs: int, stride: int) -> list[nn.Module]:
    """Return a convolution over three steps with normalisation and activation."""
    layer = nn.Conv1d(inputs, WIDTH, KERNEL, stride, 1, bias=False)
    return [layer, nn.BatchNorm1d(WIDTH), nn.LeakyReLU(0.1)]


class PieceStatistics(nn.Module):
    """An untrained network: pitch over time, intervals between voices, and random filters of chroma and onsets.

    Its weights are made from integers, so they are the same on every machine.
    """

    def __init__(self, spec: ItemSpec) -> None:
        super().__init__()
        self.read = reader_of(spec)
        rng = torch.Generator().manual_seed(SEED)
        inputs = 12 + 2 * self.read.parts
        self.weights = nn.ParameterList(draw_filters(rng, inputs if scale == 0 else FILTERS) for scale in range(SCALES))

    def forward(self, values: Tensor) -> Tensor:
        height, onsets, classes = self.read(values / BYTES.highest)
        parts = [F.adaptive_avg_pool1d(height, min(PIECES, height.shape[2])).flatten(1)]
        neighbour = classes.roll(-1, dims=1)  # of the last voice the first one
        intervals = [(classes * neighbour.roll(-k, dims=2)).sum(2).mean(2) for k in range(12)]
        parts.append(torch.stack(intervals, dim=2).flatten(1))
        x = torch.cat([classes.sum(1), 2 * height, onsets], dim=1)
        for scale, weight in enumerate(self.weights):
            if scale:
                x = F.avg_pool1d(x, min(2, x.shape[2]))
            x = F.leaky_relu(F.conv1d(F.pad(x, (1, 1), mode="replicate"), weight), 0.2)
            parts += [x.mean(dim=2), x.var(dim=2, unbiased=False).add(1e-6).sqrt()]
        return torch.cat(parts, dim=1)


def draw_filters(rng: torch.Generator, inputs: int) -> nn.Parameter:
    """Draw filters [12, inputs, 3] of zero mean and unit gain from integers."""
    whole = torch.randint(-(2**15), 2**15, (FILTERS, inputs, KERNEL), generator=rng)
    values = whole.to(torch.float64) / 2**15
    return nn.Parameter((values * (3.0 * 2.0 / (KERNEL * inputs)) ** 0.5).float(), requires_grad=False)
