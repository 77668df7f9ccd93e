"""Features of an untrained network: those of the looks during training, and the default of translation.

The weights are the same on every machine, so anyone can repeat the numbers. These features respond to texture and
contrast, not to meaning: a harmless shift by one pixel can weigh more than a lost class. They detect blur, noise and
complete collapse; they do not rank two good generators.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.evaluation.extractors.base import Extractor, FeatureSpec, count_features, digest
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.media.scale import BYTES

RANDOM = "random"
"""Name of these features in `evaluate.features` and in a protocol."""

SEED = 20_140_610
WIDTH = 12
SCALES = 3


class RandomNetwork(nn.Module):
    """Mean and spread of random filters at three scales, and a 4 x 4 thumbnail.

    Maps values [n, C, H, W] in 0 .. 255 to features [n, 24 * SCALES + 16]. A side of 1 is not pooled further.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(SEED)
        self.weights = nn.ParameterList(
            draw_filters(rng, WIDTH, channels if scale == 0 else WIDTH) for scale in range(SCALES)
        )

    def forward(self, values: Tensor) -> Tensor:
        small = (values / BYTES.half - BYTES.offset).mean(dim=1, keepdim=True)
        parts = [F.adaptive_avg_pool2d(small, 4).flatten(1)]
        for x in self.maps(values):
            parts += [x.mean(dim=(2, 3)), x.var(dim=(2, 3), unbiased=False).add(1e-8).sqrt()]
        return torch.cat(parts, dim=1)

    def maps(self, values: Tensor) -> list[Tensor]:
        """Return the responses of the filters, [n, WIDTH, H, W], and the same at halves and quarters of the size."""
        x, found = values / BYTES.half - BYTES.offset, []
        for scale, weight in enumerate(self.weights):
            if scale:
                x = F.avg_pool2d(x, [min(2, side) for side in x.shape[2:]])
            x = F.leaky_relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight), 0.2)
            found.append(x)
        return found


def draw_filters(rng: torch.Generator, outputs: int, inputs: int) -> nn.Parameter:
    """Draw 3 x 3 filters [outputs, inputs, 3, 3] of zero mean and unit gain.

    They are made from integers: a generator's integers are the same on every machine, its normal values are not.
    """
    whole = torch.randint(-(2**15), 2**15, (outputs, inputs, 3, 3), generator=rng)
    values = whole.to(torch.float64) / 2**15
    return nn.Parameter((values * (3.0 * 2.0 / (9 * inputs)) ** 0.5).float(), requires_grad=False)


def open_random_network(item: ItemSpec, device: torch.device) -> Extractor:
    """Return the extractor of the fixed random network for these items."""
    tensors = tensors_of(item)
    network = tensors.random_network() or RandomNetwork(tensors.feature_item.network_channels)
    spec = FeatureSpec(
        name=RANDOM,
        sha256=digest(network.state_dict()),
        dims=count_features(network, tensors.feature_item),
        resize="none",
        value_range="-1..1",
    )
    return Extractor(spec, network, tensors, device)
