"""SRResNet and its discriminator: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a GAN" (2017).

The networks of figure 4, with two later changes (Wang 2018, ESRGAN): normalisation is optional, and residual branches
are initialised with small weights. As in MSRResNet, the output is added to the upsampled input, so that training starts
from an image instead of noise.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from pipeline.gans.game.restoration_settings import RestorationSettings

RESIDUAL_GAIN = 0.1
"""Factor of He's initialisation in the residual branches."""


class ResidualBlock(nn.Module):
    """[B, C, H, W] -> [B, C, H, W]: conv, norm, PReLU, conv, norm, and a skip connection."""

    def __init__(self, channels: int, *, norm: bool) -> None:
        super().__init__()
        first, second = (conv(channels, channels, 3, gain=RESIDUAL_GAIN) for _ in range(2))
        norm1, norm2 = ([nn.BatchNorm2d(channels)] if norm else [] for _ in range(2))
        self.layers = nn.Sequential(first, *norm1, nn.PReLU(), second, *norm2)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.layers(x)
        return result


class Generator(nn.Module):
    """Images [B, C, H, W] in [-1, 1] -> [B, C, scale H, scale W], not clamped; `scale` is a power of two."""

    def __init__(self, settings: RestorationSettings, channels: int, scale: int) -> None:
        super().__init__()
        width, norm = settings.generator_channels, settings.generator_norm == "batch"
        self.scale = scale
        self.head = nn.Sequential(conv(channels, width, settings.kernel), nn.PReLU())
        end = [conv(width, width, 3, gain=RESIDUAL_GAIN), *([nn.BatchNorm2d(width)] if norm else [])]
        self.body = nn.Sequential(*(ResidualBlock(width, norm=norm) for _ in range(settings.blocks)), *end)
        upsampling = [(conv(width, 4 * width, 3), nn.PixelShuffle(2), nn.PReLU()) for _ in range(int(math.log2(scale)))]
        self.enlarge = nn.Sequential(*(layer for layers in upsampling for layer in layers))
        self.tail = conv(width, channels, settings.kernel, gain=RESIDUAL_GAIN)

    def forward(self, image: Tensor) -> Tensor:
        x = self.head(image)
        skip = image if self.scale == 1 else interpolate(image, scale_factor=float(self.scale), mode="bilinear")
        images: Tensor = skip + self.tail(self.enlarge(x + self.body(x)))
        return images


class Discriminator(nn.Module):
    """Images [B, C, R, R] in [-1, 1] -> logits [B], positive for real.

    Eight convolutions; every second one halves the side.
    """

    def __init__(self, settings: RestorationSettings, channels: int, resolution: int) -> None:
        super().__init__()
        width = settings.discriminator_channels
        stages: list[nn.Module] = []
        inputs = channels
        for i, factor in enumerate((1, 1, 2, 2, 4, 4, 8, 8)):
            outputs, stride = factor * width, 1 + i % 2
            # A bias before normalisation has no effect. R1 does not work with batch normalisation.
            norm = [nn.BatchNorm2d(outputs)] if i and not settings.r1 else []
            stages.append(
                nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=not norm), *norm, nn.LeakyReLU(0.2))
            )
            inputs = outputs
        self.stages = nn.ModuleList(stages)
        side = math.ceil(resolution / 16)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(inputs * side**2, 16 * width), nn.LeakyReLU(0.2), nn.Linear(16 * width, 1)
        )

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps after each of the eight convolutions."""
        maps = []
        for stage in self.stages:
            images = stage(images)
            maps.append(images)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        return self.logits_from_features(self.features(images)[-1])

    def logits_from_features(self, maps: Tensor) -> Tensor:
        """Return the logits [B] of the last feature maps."""
        logits: Tensor = self.head(maps)
        return logits.squeeze(1)


def conv(inputs: int, outputs: int, kernel: int, gain: float = 1.0) -> nn.Conv2d:
    """Build a convolution that keeps height and width, with He's initialisation (2015) times `gain`."""
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.kaiming_normal_(layer.weight, 0.25, nonlinearity="leaky_relu")  # PReLU starts with a slope of 0.25
    with torch.no_grad():
        layer.weight.mul_(gain)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
