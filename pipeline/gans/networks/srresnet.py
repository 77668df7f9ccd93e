"""SRResNet and the discriminator beside it: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a GAN" (2017), figure 4.

Two departures, both later practice (Wang 2018, ESRGAN): normalisation can be left out, and the residual blocks start small. As in
MSRResNet, what is learnt is added to the enlarged input, so that training starts from a picture instead of noise.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from pipeline.gans.game.restoration_settings import RestorationSettings

SMALL = 0.1  # of He's start, in the residual branches


class Block(nn.Module):
    """conv - norm - PReLU - conv - norm, and what went in."""

    def __init__(self, channels: int, *, norm: bool) -> None:
        super().__init__()
        first, second = (convolution(channels, channels, 3, gain=SMALL) for _ in range(2))
        between, after = ([nn.BatchNorm2d(channels)] if norm else [] for _ in range(2))
        self.layers = nn.Sequential(first, *between, nn.PReLU(), second, *after)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.layers(x)
        return result


class Generator(nn.Module):
    """Images [B, C, H, W] -> [B, C, scale H, scale W], `scale` a power of two; both in [-1, 1], the output not clamped."""

    def __init__(self, settings: RestorationSettings, channels: int, scale: int) -> None:
        super().__init__()
        width, norm = settings.generator_channels, settings.generator_norm == "batch"
        self.scale = scale
        self.head = nn.Sequential(convolution(channels, width, settings.kernel), nn.PReLU())
        after = [convolution(width, width, 3, gain=SMALL), *([nn.BatchNorm2d(width)] if norm else [])]
        self.body = nn.Sequential(*(Block(width, norm=norm) for _ in range(settings.blocks)), *after)
        doublings = [
            (convolution(width, 4 * width, 3), nn.PixelShuffle(2), nn.PReLU()) for _ in range(int(math.log2(scale)))
        ]
        self.enlarge = nn.Sequential(*(layer for doubling in doublings for layer in doubling))
        self.tail = convolution(width, channels, settings.kernel, gain=SMALL)

    def forward(self, image: Tensor) -> Tensor:
        x = self.head(image)
        carried = image if self.scale == 1 else interpolate(image, scale_factor=float(self.scale), mode="bilinear")
        images: Tensor = carried + self.tail(self.enlarge(x + self.body(x)))
        return images


class Discriminator(nn.Module):
    """Images [B, C, R, R] in [-1, 1] -> logits [B], positive means real; eight convolutions, every second one halves the side."""

    def __init__(self, settings: RestorationSettings, channels: int, resolution: int) -> None:
        super().__init__()
        width = settings.discriminator_channels
        stages: list[nn.Module] = []
        inputs = channels
        for number, outputs in enumerate(
            (width, width, 2 * width, 2 * width, 4 * width, 4 * width, 8 * width, 8 * width)
        ):
            stride = 1 + number % 2
            # Where the next layer normalises, a bias would be taken off again.
            norm = [nn.BatchNorm2d(outputs)] if number and not settings.r1 else []
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
        """The maps after each of the eight convolutions."""
        maps = []
        for stage in self.stages:
            images = stage(images)
            maps.append(images)
        return maps

    def forward(self, images: Tensor) -> Tensor:
        return self.verdict(self.features(images)[-1])

    def verdict(self, maps: Tensor) -> Tensor:
        """Logits [B] of the last maps."""
        logits: Tensor = self.head(maps)
        return logits.squeeze(1)


def convolution(inputs: int, outputs: int, side: int, gain: float = 1.0) -> nn.Conv2d:
    """Keeps height and width; He's normal start (2015) times `gain`, biases 0."""
    layer = nn.Conv2d(inputs, outputs, side, padding=side // 2)
    nn.init.kaiming_normal_(layer.weight, 0.25, nonlinearity="leaky_relu")  # PReLU starts at a slope of a quarter
    with torch.no_grad():
        layer.weight.mul_(gain)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
