"""The networks of StyleGAN2: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020).

Ordinary convolutions only, so that everything differentiates twice and exports. Every weight is drawn from N(0, 1) and scaled when
it is used (equalised learning rate, Karras 2018, section 4.1): Adam then moves all layers at the same relative pace.

Under sixteen-bit autocast what decides statistics stays in 32: the mapping, the styles, demodulation, minibatch std, the verdict.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, linear

from pipeline.gans.networks.layers import MinibatchStd, doublings, full_precision
from pipeline.gans.variants.stylegan2.settings import StyleGAN2Settings
from pipeline.items import ItemSpec

FIRST = 4
"""Side of the generator's first map and the discriminator's last."""
MAPPING_RATE = 0.01
W_DECAY = 0.995


def widths(base: int, maximum: int, resolution: int) -> list[int]:
    """Channels at `resolution`, resolution/2, ..., 4: doubled at each step up to `maximum`."""
    return [min(base * 2**level, maximum) for level in range(doublings(resolution, FIRST) + 1)]


class Leaky(nn.Module):
    """Leaky rectifier 0.2, scaled so that a unit variance passes almost unchanged."""

    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(x, 0.2) * math.sqrt(2)


class EqualisedLinear(nn.Module):
    """[..., inputs] -> [..., outputs]; `rate` multiplies the layer's learning rate, `start` is the initial bias."""

    def __init__(self, inputs: int, outputs: int, rate: float = 1.0, start: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), start / rate))
        self.gain, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        with full_precision(x):
            return linear(x.to(self.bias.dtype), self.weight * self.gain, self.bias * self.rate)


class EqualisedConv(nn.Module):
    """[B, inputs, S, S] -> [B, outputs, S, S], or half the side with `down`: filtered, then every other pixel."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, down: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain = 1 / math.sqrt(inputs * kernel**2)
        self.padding, self.stride = (0, 2) if down else (kernel // 2, 1)
        # What the filter (4 taps) and the strided kernel take off the borders, so that half the side is left.
        self.filter = FIR(padding=(kernel + 1) // 2) if down else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(self.filter(x), self.weight * self.gain, self.bias, self.stride, self.padding)


class FIR(nn.Module):
    """The low-pass filter [1, 3, 3, 1] along both axes of every channel, of sum `gain`, with zeros beyond the border."""

    taps: Tensor

    def __init__(self, gain: float = 1.0, padding: int = 1) -> None:
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("taps", gain * torch.outer(line, line), persistent=False)
        self.padding = padding

    def kernel(self, channels: int) -> Tensor:
        """[channels, 1, 4, 4]"""
        return self.taps.expand(channels, 1, 4, 4).contiguous()

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, S, S] -> [B, C, S + 2 padding - 3, ...]."""
        return conv2d(x, self.kernel(x.shape[1]), padding=self.padding, groups=x.shape[1])


class Upsample(FIR):
    """[B, C, S, S] -> [B, C, 2S, 2S]: zeros between the pixels, filtered, four times as bright."""

    def __init__(self) -> None:
        super().__init__(gain=4.0)

    def forward(self, x: Tensor) -> Tensor:
        return conv_transpose2d(x, self.kernel(x.shape[1]), stride=2, padding=1, groups=x.shape[1])


class ModulatedConv(nn.Module):
    """[B, inputs, S, S] and styles [B, width] -> [B, outputs, S, S], or twice the side with `up` (section 2.2, eq. 1 and 3).

    The paper scales the weights of each image; scaling the input's channels before and the output's after one convolution for all
    is the same, as a convolution is linear.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, width: int, *, up: bool = False, demodulate: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.gain = 1 / math.sqrt(inputs * kernel**2)
        self.affine = EqualisedLinear(width, inputs, start=1.0)
        self.filter, self.padding = FIR(gain=4.0) if up else None, kernel // 2
        self.demodulate = demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style, weight = self.affine(w), self.weight * self.gain
        x = x * style.to(x.dtype)[:, :, None, None]
        x = (
            conv2d(x, weight, padding=self.padding)
            if self.filter is None
            else self.filter(conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        )
        if self.demodulate:
            with full_precision(x):
                scale = (style.square() @ weight.square().sum(dim=(2, 3)).T + 1e-8).rsqrt()
            x = x * scale.to(x.dtype)[:, :, None, None]
        return x


class StyledConv(nn.Module):
    """A modulated 3x3 convolution, noise of a learned strength, a bias and a rectifier. `noise` is what it adds where none is given."""

    noise: Tensor

    def __init__(self, inputs: int, outputs: int, width: int, side: int, *, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, width, up=up)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise", torch.randn(1, 1, side, side))
        self.act = Leaky()

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        x = self.conv(x, w)
        x = x + (noise * self.strength).to(x.dtype) + self.bias.to(x.dtype)[:, None, None]
        result: Tensor = self.act(x)
        return result


class ToRGB(nn.Module):
    """[B, inputs, S, S] and styles -> what the map adds to the picture, [B, channels, S, S]; modulated, not demodulated."""

    def __init__(self, inputs: int, channels: int, width: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, channels, 1, width, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        picture: Tensor = self.conv(x, w).to(self.bias.dtype) + self.bias[:, None, None]
        return picture


class Mapping(nn.Module):
    """z [B, latent] -> w [B, width]; z is brought to unit mean square first."""

    def __init__(self, latent: int, width: int, layers: int) -> None:
        super().__init__()
        sizes = [latent] + [width] * layers
        self.layers = nn.Sequential(
            *(part for a, b in pairwise(sizes) for part in (EqualisedLinear(a, b, MAPPING_RATE), Leaky()))
        )

    def forward(self, z: Tensor) -> Tensor:
        w: Tensor = self.layers(z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt())
        return w


class Synthesis(nn.Module):
    """Styles [B, layers, width] -> images [B, C, R, R]: a learned 4x4 map, refined and doubled; each side adds to the picture (figure 7b).

    A side has two convolutions (the first only one); the picture of a side takes the style that comes after its convolutions,
    which the next side's first convolution takes as well: 2 log2(R) - 2 layers.
    """

    def __init__(self, settings: StyleGAN2Settings, item: ItemSpec) -> None:
        super().__init__()
        channels, width = (
            widths(settings.generator_channels, settings.max_channels, item.height)[::-1],
            settings.style_width,
        )
        self.start = nn.Parameter(torch.randn(1, channels[0], FIRST, FIRST))
        self.convs = nn.ModuleList([StyledConv(channels[0], channels[0], width, FIRST)])
        for level, (wide, narrow) in enumerate(pairwise(channels), start=1):
            side = FIRST * 2**level
            self.convs += [StyledConv(wide, narrow, width, side, up=True), StyledConv(narrow, narrow, width, side)]
        self.pictures = nn.ModuleList(ToRGB(inputs, item.network_channels, width) for inputs in channels)
        self.upsample = Upsample()
        self.layers = len(self.convs) + 1

    def forward(self, w: Tensor) -> Tensor:
        """As delivered: under the fixed noise, in [-1, 1]."""
        return self.render(w, [conv.get_buffer("noise") for conv in self.convs]).clamp(-1, 1)

    def noise(self, n: int, rng: torch.Generator) -> list[Tensor]:
        """New noise [n, 1, side, side] for every convolution, on the random generator's device."""
        return [
            torch.randn(n, *conv.get_buffer("noise").shape[1:], generator=rng, device=rng.device) for conv in self.convs
        ]

    def render(self, w: Tensor, noise: list[Tensor]) -> Tensor:
        """As trained: unbounded."""
        x = self.convs[0](self.start.expand(len(w), -1, -1, -1), w[:, 0], noise[0])
        picture: Tensor = self.pictures[0](x, w[:, 1])
        for level, to_rgb in enumerate(self.pictures[1:], start=1):
            for layer in (2 * level - 1, 2 * level):
                x = self.convs[layer](x, w[:, layer], noise[layer])
            with full_precision(picture):
                picture = self.upsample(picture)
            picture = picture + to_rgb(x, w[:, 2 * level + 1])
        return picture


class Generator(nn.Module):
    """z [B, latent] and truncation psi [B] -> images [B, C, R, R] in [-1, 1] and the styles they were made from, [B, layers, width].

    `w_average` is the running mean of w in training; psi moves a style from there (0) to its own place (1) (section 2 of Karras 2019).
    """

    w_average: Tensor

    def __init__(self, settings: StyleGAN2Settings, item: ItemSpec) -> None:
        super().__init__()
        self.mapping = Mapping(settings.latent, settings.style_width, settings.mapping_layers)
        self.synthesis = Synthesis(settings, item)
        self.register_buffer("w_average", torch.zeros(settings.style_width))

    def forward(self, z: Tensor, psi: Tensor) -> tuple[Tensor, Tensor]:
        truncated = torch.lerp(self.w_average, self.mapping(z), psi[:, None])
        w = truncated[:, None].expand(-1, self.synthesis.layers, -1)
        return self.synthesis(w), w

    @torch.no_grad()
    def observe(self, w: Tensor) -> None:
        """Takes a batch's w [B, width] into the average."""
        self.w_average.lerp_(w.mean(dim=0), 1 - W_DECAY)


class Block(nn.Module):
    """[B, narrow, 2S, 2S] -> [B, wide, S, S]: two convolutions, and a 1x1 past them."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = EqualisedConv(narrow, narrow, 3), EqualisedConv(narrow, wide, 3, down=True)
        self.skip = EqualisedConv(narrow, wide, 1, down=True, bias=False)
        self.act = Leaky()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = (self.act(self.conv2(self.act(self.conv1(x)))) + self.skip(x)) / math.sqrt(2)
        return result


class Discriminator(nn.Module):
    """Images [B, inputs, R, R] -> logits [B]; positive means real. `trunk` gives the 4x4 maps (figure 7c)."""

    def __init__(self, settings: StyleGAN2Settings, item: ItemSpec) -> None:
        super().__init__()
        channels = widths(settings.discriminator_channels, settings.max_channels, item.height)
        last, inputs = channels[-1], settings.stabilisers.packing * item.network_channels
        self.trunk = nn.Sequential(
            EqualisedConv(inputs, channels[0], 1), Leaky(), *(Block(a, b) for a, b in pairwise(channels))
        )
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.head = nn.Sequential(
            EqualisedConv(last + self.minibatch_std.extra, last, 3),
            Leaky(),
            nn.Flatten(),
            EqualisedLinear(last * FIRST**2, last),
            Leaky(),
            EqualisedLinear(last, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.minibatch_std(self.trunk(images)))
        return logits.squeeze(1)
