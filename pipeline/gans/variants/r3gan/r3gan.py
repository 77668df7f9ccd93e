"""R3GAN: Huang et al., "The GAN is dead; long live the GAN! A Modern Baseline GAN" (NeurIPS 2024).

The relativistic pairing loss with R1 and R2 at every step converges locally (section 2). It therefore trains plain
modern networks (section 3), without normalisation, mapping network or other tricks. A residual block is a 1x1
convolution that doubles the width, a grouped 3x3 convolution and a 1x1 convolution initialised with zero. The gain of
leaky ReLU is folded into the initialisation, resampling is smooth, and the output is unbounded.

The schedules of its appendix (learning rate, beta2, gamma, EMA, augmentation) are `{start, end}` settings, see
presets/r3gan-cifar10-32.yaml.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, one_hot

from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.networks.layers import MinibatchStd, count_doublings, full_precision
from pipeline.gans.variants.r3gan.settings import R3GANSettings
from pipeline.items import ItemSpec

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # of leaky ReLU: preserves the variance (He 2015)
FIRST_SIDE = 4
EXPANSION = 2
GROUP_CHANNELS = 16


def init_scaled(layer: nn.Conv2d | nn.Linear, gain: float) -> nn.Conv2d | nn.Linear:
    """Initialise the weights from N(0, gain^2 / fan_in)."""
    fan_in = layer.weight[0].numel()
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(fan_in))
    return layer


def conv(inputs: int, outputs: int, kernel: int = 1, groups: int = 1, gain: float = 1.0) -> nn.Module:
    """Build a convolution without bias that keeps height and width."""
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    return init_scaled(layer, gain)


class BiasedLeakyReLU(nn.Module):
    """Leaky ReLU of x plus a bias per channel; these networks have no other biases."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(x + self.bias.to(x.dtype).view(-1, 1, 1), SLOPE)


class ResidualBlock(nn.Module):
    """x + f(x), [B, C, S, S] -> [B, C, S, S] (figure 3).

    Args:
        channels: Channels of x.
        depth: Number of blocks in the network, for Fixup scaling (Zhang 2019).
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        wide, gain = channels * EXPANSION, GAIN * depth**-0.25
        self.layers = nn.Sequential(
            conv(channels, wide, gain=gain),
            BiasedLeakyReLU(wide),
            conv(wide, wide, 3, groups=wide // GROUP_CHANNELS, gain=gain),
            BiasedLeakyReLU(wide),
            conv(wide, channels, gain=0.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.layers(x)
        return result


class Resample(nn.Module):
    """Doubles or halves the side with the filter [1, 3, 3, 1]; a 1x1 convolution on the smaller map sets the width."""

    kernel: Tensor

    def __init__(self, inputs: int, outputs: int, *, up: bool) -> None:
        super().__init__()
        self.up = up
        self.linear = conv(inputs, outputs) if inputs != outputs else nn.Identity()
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


def channel_widths(base: int, maximum: int, resolution: int) -> list[int]:
    """Return the channels from 4x4 up to `resolution`: `base` at the highest, doubled downwards up to `maximum`."""
    return [min(base * 2**level, maximum) for level in range(count_doublings(FIRST_SIDE, resolution) + 1)][::-1]


class Generator(nn.Module):
    """z [B, latent] and, if conditional, labels [B] -> images [B, C, R, R].

    The output is unbounded in training and clamped to [-1, 1] in eval mode.
    """

    def __init__(self, settings: R3GANSettings, item: ItemSpec, classes: int) -> None:
        super().__init__()
        channels = channel_widths(settings.generator_channels, settings.max_channels, item.height)
        depth = settings.blocks * len(channels)
        self.embedding = init_scaled(nn.Linear(classes, settings.latent, bias=False), 1.0) if classes else None
        self.classes = classes
        self.basis = nn.Parameter(torch.randn(channels[0], FIRST_SIDE, FIRST_SIDE))
        self.linear = init_scaled(nn.Linear(settings.latent * (2 if classes else 1), channels[0], bias=False), 1.0)
        self.first = nn.Sequential(*(ResidualBlock(channels[0], depth) for _ in range(settings.blocks)))
        stages: list[nn.Module] = []
        for wide, narrow in pairwise(channels):
            stages += [Resample(wide, narrow, up=True), *(ResidualBlock(narrow, depth) for _ in range(settings.blocks))]
        self.stages = nn.Sequential(*stages)
        self.to_image = conv(channels[-1], item.network_channels)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        # The 4x4 stage of both networks keeps 32 bits under mixed precision (appendix).
        with full_precision(z):
            if self.embedding is not None:
                assert label is not None
                z = torch.cat([z, self.embedding(one_hot(label, self.classes).to(z.dtype))], dim=1)
            x = self.first(self.basis * self.linear(z)[:, :, None, None])
        images: Tensor = self.to_image(self.stages(x))
        return images if self.training else images.clamp(-1, 1)


class Trunk(nn.Module):
    """Images [B, inputs, R, R] -> features [B, channels]: the generator mirrored, with a depthwise 4x4 convolution."""

    def __init__(self, settings: R3GANSettings, item: ItemSpec, inputs: int) -> None:
        super().__init__()
        channels = channel_widths(settings.discriminator_channels, settings.max_channels, item.height)[::-1]
        depth = settings.blocks * len(channels)
        self.features = channels[-1]
        stages: list[nn.Module] = [conv(inputs, channels[0])]
        for narrow, wide in pairwise(channels):
            blocks = (ResidualBlock(narrow, depth) for _ in range(settings.blocks))
            stages += [*blocks, Resample(narrow, wide, up=False)]
        self.stages = nn.Sequential(*stages)
        self.last = nn.Sequential(*(ResidualBlock(self.features, depth) for _ in range(settings.blocks)))
        basis = nn.Conv2d(self.features, self.features, FIRST_SIDE, groups=self.features, bias=False)
        self.basis = init_scaled(basis, 1.0)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stages(images)
        with full_precision(x):
            features: Tensor = self.basis(self.last(x.to(self.basis.weight.dtype))).flatten(1)
        return features


class Discriminator(nn.Module):
    """Images and, if conditional, labels [B] -> logits [B].

    The head is linear, or the inner product with an embedding of the label.
    """

    def __init__(self, settings: R3GANSettings, item: ItemSpec, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.trunk = Trunk(settings, item, settings.stabilisers.packing * item.network_channels)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        width = settings.latent if classes else 1
        self.head = init_scaled(nn.Linear(self.trunk.features + self.minibatch_std.extra, width, bias=False), 1.0)
        self.embedding = init_scaled(nn.Linear(classes, width, bias=False), 1 / math.sqrt(width)) if classes else None

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        features = self.trunk(images)
        with full_precision(features):
            logits: Tensor = self.head(self.minibatch_std(features))
            if self.embedding is not None:
                assert label is not None
                logits = logits * self.embedding(one_hot(label, self.classes).to(logits.dtype))
            return logits.sum(dim=1)


class R3GAN(Adversarial):
    """The baseline: objective relativistic with R1 and R2 at every step, which are the defaults of its settings."""

    def __init__(self, settings: R3GANSettings, item: ItemSpec) -> None:
        classes = len(item.classes) if settings.conditional else 0
        networks = Generator(settings, item, classes), Discriminator(settings, item, classes)
        super().__init__(settings, *networks, classes if settings.conditional else None)
