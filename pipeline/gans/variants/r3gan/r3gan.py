"""R3GAN: Huang, Gokaslan, Kuleshov, Tompkin, "The GAN is dead; long live the GAN! A Modern Baseline GAN" (NeurIPS 2024).

The relativistic pairing loss with R1 and R2 at every step (section 2), and networks without normalisation, mapping or tricks
(section 3): residual blocks of a 1x1 convolution that widens twice, a grouped 3x3 and a 1x1 that starts at zero; leaky ReLU with
its bias inside and its gain folded into the start; smooth resampling; no bound on the output. The schedules of its appendix
(rates, second moment, gamma, average, augmentation) are `{start, end}` in the parameters: see presets/r3gan-cifar10-32.yaml.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.networks.layers import MinibatchStd, doublings, full_precision
from pipeline.gans.variants.r3gan.settings import R3GANSettings
from pipeline.items import ItemSpec

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # of leaky ReLU: keeps the variance (He 2015)
FIRST = 4  # side of the first map
EXPANSION = 2
GROUP = 16  # channels of one group of the 3x3


def scaled(layer: nn.Conv2d | nn.Linear, gain: float) -> nn.Conv2d | nn.Linear:
    """The layer with weights from N(0, gain^2 / fan_in)."""
    fan_in = layer.weight[0].numel()
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(fan_in))
    return layer


def convolution(inputs: int, outputs: int, side: int = 1, groups: int = 1, gain: float = 1.0) -> nn.Module:
    return scaled(nn.Conv2d(inputs, outputs, side, padding=side // 2, groups=groups, bias=False), gain)


class Activation(nn.Module):
    """leaky ReLU of x plus a bias for each channel: the only biases of these networks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(x + self.bias.to(x.dtype).view(-1, 1, 1), SLOPE)


class Block(nn.Module):
    """x + f(x), [B, C, S, S] unchanged in shape; of `depth` blocks in the network (figure 3; Fixup scaling, Zhang 2019)."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        wide, gain = channels * EXPANSION, GAIN * depth**-0.25
        self.layers = nn.Sequential(
            convolution(channels, wide, gain=gain),
            Activation(wide),
            convolution(wide, wide, 3, groups=wide // GROUP, gain=gain),
            Activation(wide),
            convolution(wide, channels, gain=0.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.layers(x)
        return result


class Resample(nn.Module):
    """Doubles or halves the side with the kernel [1, 2, 1] * [1, 1] = [1, 3, 3, 1]; a 1x1 on the smaller map where widths differ."""

    kernel: Tensor

    def __init__(self, inputs: int, outputs: int, *, up: bool) -> None:
        super().__init__()
        self.up = up
        self.linear = convolution(inputs, outputs) if inputs != outputs else nn.Identity()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", torch.outer(taps, taps)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            x = self.linear(x)
            kernel = 4 * self.kernel.to(x.dtype).expand(x.shape[1], 1, -1, -1)
            return conv_transpose2d(x, kernel, stride=2, padding=1, groups=x.shape[1])
        kernel = self.kernel.to(x.dtype).expand(x.shape[1], 1, -1, -1)
        result: Tensor = self.linear(conv2d(x, kernel, stride=2, padding=1, groups=x.shape[1]))
        return result


def widths(base: int, maximum: int, resolution: int) -> list[int]:
    """Channels from 4x4 up to `resolution`: `base` at the highest, doubled downwards up to `maximum`."""
    return [min(base * 2**level, maximum) for level in range(doublings(resolution, FIRST) + 1)][::-1]


class Generator(nn.Module):
    """z [B, latent] and, where there are classes, labels [B] -> images [B, C, R, R].

    Unbounded in training; outside of it what lies beyond [-1, 1] is cut off, as every picture's values are.
    """

    def __init__(self, settings: R3GANSettings, item: ItemSpec, classes: int) -> None:
        super().__init__()
        channels = widths(settings.generator_channels, settings.max_channels, item.height)
        depth = settings.blocks * len(channels)
        self.embedding = scaled(nn.Linear(classes, settings.latent, bias=False), 1.0) if classes else None
        self.classes = classes
        self.basis = nn.Parameter(torch.randn(channels[0], FIRST, FIRST))
        self.linear = scaled(nn.Linear(settings.latent * (2 if classes else 1), channels[0], bias=False), 1.0)
        self.first = nn.Sequential(*(Block(channels[0], depth) for _ in range(settings.blocks)))
        stages: list[nn.Module] = []
        for wide, narrow in pairwise(channels):
            stages += [Resample(wide, narrow, up=True), *(Block(narrow, depth) for _ in range(settings.blocks))]
        self.stages = nn.Sequential(*stages)
        self.to_image = convolution(channels[-1], item.network_channels)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        # In both networks the 4x4 stage keeps 32 bits where the rest runs in 16 (appendix).
        with full_precision(z):
            if self.embedding is not None:
                assert label is not None
                z = torch.cat([z, self.embedding(nn.functional.one_hot(label, self.classes).to(z.dtype))], dim=1)
            x = self.first(self.basis * self.linear(z)[:, :, None, None])
        images: Tensor = self.to_image(self.stages(x))
        return images if self.training else images.clamp(-1, 1)


class Trunk(nn.Module):
    """Images [B, inputs, R, R] -> features [B, channels]: the generator's mirror, ending in a 4x4 convolution of each channel."""

    def __init__(self, settings: R3GANSettings, item: ItemSpec, inputs: int) -> None:
        super().__init__()
        channels = widths(settings.discriminator_channels, settings.max_channels, item.height)[::-1]
        depth = settings.blocks * len(channels)
        self.features = channels[-1]
        stages: list[nn.Module] = [convolution(inputs, channels[0])]
        for narrow, wide in pairwise(channels):
            stages += [*(Block(narrow, depth) for _ in range(settings.blocks)), Resample(narrow, wide, up=False)]
        self.stages = nn.Sequential(*stages)
        self.last = nn.Sequential(*(Block(self.features, depth) for _ in range(settings.blocks)))
        self.basis = scaled(nn.Conv2d(self.features, self.features, FIRST, groups=self.features, bias=False), 1.0)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stages(images)
        with full_precision(x):
            features: Tensor = self.basis(self.last(x.to(self.basis.weight.dtype))).flatten(1)
        return features


class Discriminator(nn.Module):
    """Images and, where there are classes, labels [B] -> logits [B]: a linear layer, or an inner product with the class's embedding."""

    def __init__(self, settings: R3GANSettings, item: ItemSpec, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.trunk = Trunk(settings, item, settings.stabilisers.packing * item.network_channels)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        width = settings.latent if classes else 1
        self.head = scaled(nn.Linear(self.trunk.features + self.minibatch_std.extra, width, bias=False), 1.0)
        self.embedding = scaled(nn.Linear(classes, width, bias=False), 1 / math.sqrt(width)) if classes else None

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        features = self.trunk(images)
        with full_precision(features):
            verdict: Tensor = self.head(self.minibatch_std(features))
            if self.embedding is not None:
                assert label is not None
                verdict = verdict * self.embedding(nn.functional.one_hot(label, self.classes).to(verdict.dtype))
            return verdict.sum(dim=1)


class R3GAN(Adversarial):
    """The baseline; its loss is objective relativistic with penalties r1 = r2 and every 1, which are the defaults of its settings."""

    def __init__(self, settings: R3GANSettings, item: ItemSpec) -> None:
        classes = len(item.classes) if settings.conditional else 0
        networks = Generator(settings, item, classes), Discriminator(settings, item, classes)
        super().__init__(settings, *networks, classes if settings.conditional else None)
