"""CycleGAN's generator: Zhu et al. (2017), appendix 7.2, after Johnson et al. (2016): two halvings, residual blocks, two doublings."""

from torch import Tensor, nn

from pipeline.gans.networks.patchgan import begin

MULTIPLE = (
    8  # what the sides of a picture must divide by: a quarter of them must be wider than the edge that is mirrored
)


class Block(nn.Module):
    """Two 3x3 convolutions, and what went in; instance normalisation, edges mirrored."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels), nn.ReLU()),
            *(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.layers(x)
        return result


class Translator(nn.Module):
    """Images [B, C, H, W] -> [B, C, H, W] in [-1, 1], sides multiples of 8."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.ReflectionPad2d(3), nn.Conv2d(channels, width, 7), nn.InstanceNorm2d(width), nn.ReLU()),
            *halving(width),
            *halving(2 * width),
            *(Block(4 * width) for _ in range(blocks)),
            *doubling(4 * width),
            *doubling(2 * width),
            *(nn.ReflectionPad2d(3), nn.Conv2d(width, channels, 7), nn.Tanh()),
        )
        self.apply(begin)

    def forward(self, images: Tensor) -> Tensor:
        translated: Tensor = self.layers(images)
        return translated


def halving(channels: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, 2 * channels, 3, 2, 1), nn.InstanceNorm2d(2 * channels), nn.ReLU()]


def doubling(channels: int) -> list[nn.Module]:
    half = channels // 2
    return [nn.ConvTranspose2d(channels, half, 3, 2, 1, output_padding=1), nn.InstanceNorm2d(half), nn.ReLU()]
