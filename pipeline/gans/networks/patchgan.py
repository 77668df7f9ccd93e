"""PatchGAN: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (2017), section 3.2.2 and appendix 6.1.2.

Every patch of a picture is judged by itself, so that the discriminator looks at texture, and at pictures of any size.
"""

from typing import Literal

from torch import Tensor, nn

SLOPE, STANDARD_DEVIATION, MOST = 0.2, 0.02, 8

Norm = Literal["batch", "instance", "none"]


class PatchDiscriminator(nn.Module):
    """Images [B, C, H, W] in [-1, 1] -> logits [B, 1, h, w], a patch each; positive means real. `layers` halvings: 3 see 70 pixels, 2 see 34, 1 sees 16."""

    def __init__(self, channels: int, width: int, layers: int, norm: Norm) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        inputs = width
        for number in range(1, layers + 1):
            outputs = width * min(2**number, MOST)
            parts += [
                nn.Conv2d(inputs, outputs, 4, 2 if number < layers else 1, 1, bias=norm != "batch"),
                normalised(norm, outputs),
                nn.LeakyReLU(SLOPE),
            ]
            inputs = outputs
        self.layers = nn.Sequential(*parts, nn.Conv2d(inputs, 1, 4, 1, 1))
        self.apply(begin)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits


def normalised(norm: Norm, channels: int) -> nn.Module:
    """Batch normalisation, instance normalisation without anything learnt (Ulyanov 2016), or nothing."""
    match norm:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "instance":
            return nn.InstanceNorm2d(channels)
    return nn.Identity()


def begin(module: nn.Module) -> None:
    """Weights from N(0, 0.02), those of a normalisation about 1; biases 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, STANDARD_DEVIATION)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, STANDARD_DEVIATION)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
