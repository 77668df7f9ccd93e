"""Features of a network that was never trained: the default where there are no labels and no Inception weights.

Its weights are the same everywhere, so its numbers can be repeated by anyone. What it cannot do: it answers to texture
and contrast, not to meaning, so a harmless shift by one pixel can outrank a lost class. Trust it to see blur, noise and
complete collapse, not to rank two good generators.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.evaluation.extractors.base import Extractor, FeatureSpec, digest

SEED = 20_140_610
WIDTH = 12
SCALES = 3


class Network(nn.Module):
    """[N, C, H, W] in 0..255 -> [N, 24 * SCALES + 16]: mean and spread of random filters at three scales, and a 4x4 thumbnail."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(SEED)
        self.weights = nn.ParameterList(
            uniform(rng, WIDTH, channels if scale == 0 else WIDTH) for scale in range(SCALES)
        )

    def forward(self, images: Tensor) -> Tensor:
        x = images / 127.5 - 1.0
        parts = [F.adaptive_avg_pool2d(x.mean(dim=1, keepdim=True), 4).flatten(1)]
        for scale, weight in enumerate(self.weights):
            if scale:
                x = F.avg_pool2d(x, [min(2, side) for side in x.shape[2:]])
            x = F.leaky_relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight), 0.2)
            parts += [x.mean(dim=(2, 3)), x.var(dim=(2, 3), unbiased=False).add(1e-8).sqrt()]
        return torch.cat(parts, dim=1)


def uniform(rng: torch.Generator, outputs: int, inputs: int) -> nn.Parameter:
    """3x3 filters of zero mean and unit gain, made from whole numbers: a generator's integers are the same on every machine, its normals are not."""
    whole = torch.randint(-(2**15), 2**15, (outputs, inputs, 3, 3), generator=rng)
    values = whole.to(torch.float64) / 2**15
    return nn.Parameter((values * (3.0 * 2.0 / (9 * inputs)) ** 0.5).float(), requires_grad=False)


def random_network(channels: int, device: torch.device) -> Extractor:
    """Return the fixed random network for images of any size with `channels` channels."""
    network = Network(channels)
    spec = FeatureSpec(
        name="random",
        sha256=digest(network.state_dict()),
        dims=2 * WIDTH * SCALES + 16,
        resize="none",
        value_range="-1..1",
    )
    return Extractor(spec, network, device)
