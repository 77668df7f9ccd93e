"""The networks of StyleGAN2: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020).

Under mixed precision these parts keep 32 bits: mapping network, styles, demodulation, minibatch standard deviation and
the discriminator's head.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from pipeline.gans.networks.layers import MinibatchStd, count_doublings, full_precision
from pipeline.gans.variants.stylegan2.settings import StyleGAN2Settings
from pipeline.gans.variants.stylegan2.stylegan2_layers import (
    EqualisedConv,
    EqualisedLinear,
    ModulatedConv,
    ScaledLeakyReLU,
    Upsample,
)
from pipeline.items import ItemSpec
from pipeline.shared_batch import whole

FIRST_SIDE = 4
"""Side of the generator's first feature map and of the discriminator's last."""
MAPPING_LR_FACTOR = 0.01
W_DECAY = 0.995


def channel_widths(base: int, maximum: int, resolution: int) -> list[int]:
    """Return the channels at `resolution`, resolution/2, ..., 4: doubled at each step up to `maximum`."""
    return [min(base * 2**level, maximum) for level in range(count_doublings(FIRST_SIDE, resolution) + 1)]


class StyledConv(nn.Module):
    """A modulated 3x3 convolution, noise of a learned strength, bias and activation.

    The buffer `noise` is the fixed noise of the exported graph.
    """

    noise: Tensor

    def __init__(self, inputs: int, outputs: int, width: int, side: int, *, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, width, up=up)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise", torch.randn(1, 1, side, side))
        self.act = ScaledLeakyReLU()

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        x = self.conv(x, w)
        x = x + (noise * self.strength).to(x.dtype) + self.bias.to(x.dtype)[:, None, None]
        result: Tensor = self.act(x)
        return result


class ToRGB(nn.Module):
    """[B, inputs, S, S] and styles -> an image [B, channels, S, S]; modulated without demodulation."""

    def __init__(self, inputs: int, channels: int, width: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, channels, 1, width, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        image: Tensor = self.conv(x, w).to(self.bias.dtype) + self.bias[:, None, None]
        return image


def normalise(x: Tensor) -> Tensor:
    """Scale every row of [B, length] to unit mean square."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class MappingNetwork(nn.Module):
    """z [B, latent] and, if conditional, labels [B] -> w [B, width]; z is normalised to unit mean square first.

    An embedding of the label is normalised, too, and concatenated with z (Karras 2020b, StyleGAN2-ADA).
    """

    def __init__(self, latent: int, width: int, layers: int, classes: int = 0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, width) if classes else None
        modules: list[nn.Module] = []
        for inputs, outputs in pairwise([latent + (width if classes else 0)] + [width] * layers):
            modules += [EqualisedLinear(inputs, outputs, MAPPING_LR_FACTOR), ScaledLeakyReLU()]
        self.layers = nn.Sequential(*modules)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        x = normalise(z)
        if self.embedding is not None:
            assert label is not None
            x = torch.cat([x, normalise(self.embedding(label))], dim=1)
        w: Tensor = self.layers(x)
        return w


class SynthesisNetwork(nn.Module):
    """Styles [B, layers, width] -> images [B, C, R, R]: a learned 4x4 map, doubled to the resolution (figure 7b).

    Every resolution adds an image to the upsampled sum of the lower ones (skip connections). It has two convolutions,
    the first resolution only one. Its image takes the style after its convolutions, which the next resolution's first
    convolution takes too. This makes 2 log2(R) - 2 layers of styles.
    """

    def __init__(self, settings: StyleGAN2Settings, item: ItemSpec) -> None:
        super().__init__()
        channels = channel_widths(settings.generator_channels, settings.max_channels, item.height)[::-1]
        width = settings.style_width
        self.start = nn.Parameter(torch.randn(1, channels[0], FIRST_SIDE, FIRST_SIDE))
        self.convs = nn.ModuleList([StyledConv(channels[0], channels[0], width, FIRST_SIDE)])
        for level, (wide, narrow) in enumerate(pairwise(channels), start=1):
            side = FIRST_SIDE * 2**level
            self.convs += [StyledConv(wide, narrow, width, side, up=True), StyledConv(narrow, narrow, width, side)]
        self.pictures = nn.ModuleList(ToRGB(inputs, item.network_channels, width) for inputs in channels)
        self.upsample = Upsample()
        self.layers = len(self.convs) + 1

    def forward(self, w: Tensor) -> Tensor:
        """Render images in [-1, 1] with fixed noise, as in the exported graph."""
        return self.render(w, [conv.get_buffer("noise") for conv in self.convs]).clamp(-1, 1)

    def sample_noise(self, n: int, rng: torch.Generator) -> list[Tensor]:
        """Draw noise [n, 1, side, side] for every convolution, on the random generator's device."""
        return [
            torch.randn(n, *conv.get_buffer("noise").shape[1:], generator=rng, device=rng.device) for conv in self.convs
        ]

    def render(self, w: Tensor, noise: list[Tensor]) -> Tensor:
        """Render unbounded images, as in training."""
        x = self.convs[0](self.start.expand(len(w), -1, -1, -1), w[:, 0], noise[0])
        image: Tensor = self.pictures[0](x, w[:, 1])
        for level, to_rgb in enumerate(self.pictures[1:], start=1):
            for layer in (2 * level - 1, 2 * level):
                x = self.convs[layer](x, w[:, layer], noise[layer])
            with full_precision(image):
                image = self.upsample(image)
            image = image + to_rgb(x, w[:, 2 * level + 1])
        return image


class Generator(nn.Module):
    """z [B, latent] and truncation psi [B] -> images [B, C, R, R] in [-1, 1] and their styles [B, layers, width].

    The buffer `w_average` [width] is the moving average of w in training. psi interpolates from it (0) to w (1) (Karras
    2019, section 2). A conditional generator takes labels [B], too, and has an average of each class [classes, width]:
    the average over all classes would be an item of none.
    """

    w_average: Tensor

    def __init__(self, settings: StyleGAN2Settings, item: ItemSpec, classes: int = 0) -> None:
        super().__init__()
        width = settings.style_width
        self.mapping = MappingNetwork(settings.latent, width, settings.mapping_layers, classes)
        self.synthesis = SynthesisNetwork(settings, item)
        self.register_buffer("w_average", torch.zeros(*([classes] if classes else []), width))

    def forward(self, z: Tensor, psi: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        average = self.w_average if label is None else self.w_average[label]
        truncated = torch.lerp(average, self.mapping(z, label), psi[:, None])
        w = truncated[:, None].expand(-1, self.synthesis.layers, -1)
        return self.synthesis(w), w

    @torch.no_grad()
    def update_w_average(self, w: Tensor, label: Tensor | None = None) -> None:
        """Update the moving average with a batch of w [B, width]; of classes that the batch lacks, it stays."""
        w = whole(w)
        if label is None:
            self.w_average.lerp_(w.mean(dim=0), 1 - W_DECAY)
            return
        member = one_hot(whole(label), len(self.w_average)).to(w.dtype)
        count = member.sum(dim=0)[:, None]
        mean = member.T @ w / count.clamp(min=1)
        self.w_average.lerp_(torch.where(count > 0, mean, self.w_average), 1 - W_DECAY)


class ResidualBlock(nn.Module):
    """[B, inputs, 2S, 2S] -> [B, outputs, S, S]: two convolutions and a 1x1 convolution on the skip connection."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = EqualisedConv(inputs, inputs, 3), EqualisedConv(inputs, outputs, 3, down=True)
        self.skip = EqualisedConv(inputs, outputs, 1, down=True, bias=False)
        self.act = ScaledLeakyReLU()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = (self.act(self.conv2(self.act(self.conv1(x)))) + self.skip(x)) / math.sqrt(2)
        return result


class Discriminator(nn.Module):
    """Images [B, inputs, R, R] -> logits [B]; positive means real. `trunk` returns the 4x4 maps (figure 7c).

    Conditional: the inner product of a label embedding and the last features is added (Miyato and Koyama 2018, eq. 3).
    It is divided by the root of their number, so that it starts as large as the unconditional logit.
    """

    def __init__(self, settings: StyleGAN2Settings, item: ItemSpec, classes: int = 0) -> None:
        super().__init__()
        channels = channel_widths(settings.discriminator_channels, settings.max_channels, item.height)
        last, inputs = channels[-1], settings.stabilisers.packing * item.network_channels
        from_rgb = (EqualisedConv(inputs, channels[0], 1), ScaledLeakyReLU())
        self.trunk = nn.Sequential(*from_rgb, *(ResidualBlock(a, b) for a, b in pairwise(channels)))
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.head = nn.Sequential(
            EqualisedConv(last + self.minibatch_std.extra, last, 3),
            ScaledLeakyReLU(),
            nn.Flatten(),
            EqualisedLinear(last * FIRST_SIDE**2, last),
            ScaledLeakyReLU(),
            EqualisedLinear(last, 1),
        )
        self.embedding = nn.Embedding(classes, last) if classes else None

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        features: Tensor = self.head[:-1](self.minibatch_std(self.trunk(images)))
        logits: Tensor = self.head[-1](features).squeeze(1)
        if self.embedding is None:
            return logits
        assert label is not None
        with full_precision(features):
            projection: Tensor = (features * self.embedding(label)).sum(dim=1) / math.sqrt(features.shape[1])
        return logits + projection
