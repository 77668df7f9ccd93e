"""PatchGAN: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (2017), section 3.2.2.

The discriminator scores overlapping patches, so it models texture and takes images of any size (appendix 6.1.2).
"""

from typing import Literal

from torch import Tensor, nn

SLOPE = 0.2
INIT_STD = 0.02
MAX_WIDTH_FACTOR = 8

Norm = Literal["batch", "instance", "none"]


class PatchDiscriminator(nn.Module):
    """Images [B, C, H, W] in [-1, 1] -> logits [B, 1, h, w], one per patch; positive means real.

    Args:
        channels: Channels of the images.
        width: Channels of the first layer, doubled in each further one up to eight times as many.
        layers: Layers between the first and the last: 3 give a receptive field of 70 pixels, 2 of 34, 1 of 16.
        norm: Normalisation of these layers.
    """

    def __init__(self, channels: int, width: int, layers: int, norm: Norm) -> None:
        super().__init__()
        modules: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        inputs = width
        for i in range(1, layers + 1):
            outputs = width * min(2**i, MAX_WIDTH_FACTOR)
            modules += [
                nn.Conv2d(inputs, outputs, 4, 2 if i < layers else 1, 1, bias=norm != "batch"),
                norm_layer(norm, outputs),
                nn.LeakyReLU(SLOPE),
            ]
            inputs = outputs
        self.layers = nn.Sequential(*modules, nn.Conv2d(inputs, 1, 4, 1, 1))
        self.apply(init_weights)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """Build batch normalisation, instance normalisation without parameters (Ulyanov 2016), or the identity."""
    match norm:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "instance":
            return nn.InstanceNorm2d(channels)
    return nn.Identity()


def init_weights(module: nn.Module) -> None:
    """Initialise weights from N(0, 0.02), scales of batch normalisation from N(1, 0.02), biases with 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, INIT_STD)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, INIT_STD)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
