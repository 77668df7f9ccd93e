"""CycleGAN's generator: Zhu et al. (2017), appendix 7.2, after Johnson et al. (2016).

Two downsampling layers, residual blocks and two upsampling layers, with instance normalisation.
"""

from torch import Tensor, nn

from pipeline.gans.networks.deterministic import ReflectionPad2d
from pipeline.gans.networks.patchgan import init_weights

SIZE_MULTIPLE = 8
"""Divisor of height and width; a quarter of them must exceed the reflection padding."""


class ResidualBlock(nn.Module):
    """[B, C, H, W] -> [B, C, H, W]: two 3x3 convolutions with reflection padding and a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels), nn.ReLU()),
            *(ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.layers(x)
        return result


class ResnetGenerator(nn.Module):
    """Images [B, C, H, W] -> [B, C, H, W] in [-1, 1]; height and width are multiples of 8."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(ReflectionPad2d(3), nn.Conv2d(channels, width, 7), nn.InstanceNorm2d(width), nn.ReLU()),
            *downsampling(width),
            *downsampling(2 * width),
            *(ResidualBlock(4 * width) for _ in range(blocks)),
            *upsampling(4 * width),
            *upsampling(2 * width),
            *(ReflectionPad2d(3), nn.Conv2d(width, channels, 7), nn.Tanh()),
        )
        self.apply(init_weights)

    def forward(self, images: Tensor) -> Tensor:
        translated: Tensor = self.layers(images)
        return translated


def downsampling(channels: int) -> list[nn.Module]:
    """Build [B, C, H, W] -> [B, 2C, H / 2, W / 2]."""
    return [nn.Conv2d(channels, 2 * channels, 3, 2, 1), nn.InstanceNorm2d(2 * channels), nn.ReLU()]


def upsampling(channels: int) -> list[nn.Module]:
    """Build [B, C, H, W] -> [B, C / 2, 2H, 2W]."""
    half = channels // 2
    return [nn.ConvTranspose2d(channels, half, 3, 2, 1, output_padding=1), nn.InstanceNorm2d(half), nn.ReLU()]
