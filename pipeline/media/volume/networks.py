"""Networks of the evaluation that look at volumes: values [n, D, H, W] in 0 .. 255."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.items import ItemSpec
from pipeline.media.scale import BYTES

DIMS = 64
SEED = 20_140_610
FILTERS, SCALES, THUMBNAIL = 12, 3, 3


class VolumeClassifier(nn.Sequential):
    """Convolutions over three dimensions; returns features [n, 64]."""

    def __init__(self, spec: ItemSpec) -> None:
        # A stem of patches reduces each side to at most about 8, so the cost hardly grows with the resolution.
        step = max(2, spec.height // 8)
        sides = [(side - 1) // 2 + 1 for side in (spec.channels // step, spec.height // step, spec.width // step)]
        super().__init__(
            nn.Conv3d(1, 16, step + 2, step, 1, bias=False),
            nn.BatchNorm3d(16),
            nn.LeakyReLU(0.1),
            nn.Conv3d(16, 48, 3, 2, 1, bias=False),
            nn.BatchNorm3d(48),
            nn.LeakyReLU(0.1),
            nn.Flatten(),
            nn.Linear(48 * sides[0] * sides[1] * sides[2], DIMS, bias=False),
            nn.BatchNorm1d(DIMS),
            nn.LeakyReLU(0.1),
        )

    def forward(self, values: Tensor) -> Tensor:
        features: Tensor = super().forward(normalise(values))  # type: ignore[no-untyped-call]
        return features


class VolumeStatistics(nn.Module):
    """An untrained network: a thumbnail of 3 x 3 x 3, and mean and spread of random filters at three scales.

    Its weights are made from integers, so they are the same on every machine.
    """

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(SEED)
        self.weights = nn.ParameterList(draw_filters(rng, 1 if scale == 0 else FILTERS) for scale in range(SCALES))

    def forward(self, values: Tensor) -> Tensor:
        x = normalise(values)
        parts = [thumbnail(x, THUMBNAIL).flatten(1)]
        for scale, weight in enumerate(self.weights):
            if scale:
                x = F.avg_pool3d(x, [min(2, side) for side in x.shape[2:]])
            x = F.leaky_relu(F.conv3d(F.pad(x, (1,) * 6, mode="replicate"), weight), 0.2)
            parts += [x.mean(dim=(2, 3, 4)), x.var(dim=(2, 3, 4), unbiased=False).add(1e-6).sqrt()]
        return torch.cat(parts, dim=1)


def thumbnail(volumes: Tensor, side: int) -> Tensor:
    """Return torch's adaptive average pooling of volumes [n, 1, D, H, W] to [n, 1, side, side, side].

    ONNX has no operator for it, but for products of matrices.
    """
    depth, height, width = (averages(length, side).to(volumes) for length in volumes.shape[2:])
    pooled: Tensor = depth @ (height @ (volumes @ width.T)).flatten(3)
    return pooled.reshape(*pooled.shape[:3], side, side)


def averages(length: int, parts: int) -> Tensor:
    """Return the matrix [parts, length] that averages parts of a row, which overlap if they do not divide it."""
    matrix = torch.zeros(parts, length, dtype=torch.float64)
    for part in range(parts):
        start, end = part * length // parts, -(-(part + 1) * length // parts)
        matrix[part, start:end] = 1 / (end - start)
    return matrix


def normalise(values: Tensor) -> Tensor:
    """Return values [n, D, H, W] in 0 .. 255 as volumes of one channel in [-1, 1]."""
    return (values / BYTES.half - BYTES.offset)[:, None].contiguous()


def draw_filters(rng: torch.Generator, inputs: int) -> nn.Parameter:
    """Draw filters [12, inputs, 3, 3, 3] of zero mean and unit gain from integers."""
    whole = torch.randint(-(2**15), 2**15, (FILTERS, inputs, 3, 3, 3), generator=rng)
    values = whole.to(torch.float64) / 2**15
    values = values - values.mean(dim=(1, 2, 3, 4), keepdim=True)
    return nn.Parameter((values * (3.0 * 2.0 / (27 * inputs)) ** 0.5).float(), requires_grad=False)
