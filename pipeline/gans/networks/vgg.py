"""The convolutions of VGG19 (Simonyan & Zisserman 2015, configuration E) up to conv5_4, for perceptual losses.

The weights come from a file of the user: torchvision's `vgg19-dcbb9e9d.pth`, on which published perceptual losses rely.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import InputError

POOL = None
WIDTHS: tuple[int | None, ...] = (
    *(64, 64, POOL),
    *(128, 128, POOL),
    *(256, 256, 256, 256, POOL),
    *(512, 512, 512, 512, POOL),
    *(512, 512, 512, 512),
)
"""Channels of each convolution; POOL halves the side."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Channel statistics of ImageNet, with which inputs are normalised."""


class VGG19(nn.Module):
    """Images [B, 1 or 3, H, W] in [-1, 1] -> feature maps [B, 512, H / 16, W / 16] of conv5_4.

    The features are taken before the activation (Wang 2018, section 3.2).
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width in WIDTHS:
            if width is None:
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
                inputs = width
        self.features = nn.Sequential(*layers[:-1])
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        rgb = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        maps: Tensor = self.features(((rgb + 1) / 2 - self.mean) / self.std)
        return maps


def load_vgg19(path: Path) -> VGG19:
    """Load VGG19 with the weights of a torchvision file, frozen and in eval mode.

    Raises:
        InputError: The file is missing or holds other weights.
    """
    network = VGG19()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        weights = {name: state[name] for name in network.state_dict() if name.startswith("features.")}
        network.load_state_dict(weights, strict=False)
    except FileNotFoundError:
        raise InputError(
            f"model.vgg: {path}: no such file. Give the path of torchvision's vgg19-dcbb9e9d.pth, "
            "or set model.vgg: null"
        ) from None
    except Exception as error:  # noqa: BLE001 - torch raises many kinds of errors for a file that is no checkpoint
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"model.vgg: {path}: not the weights of torchvision's VGG19 ({reason}). Give the path of "
            "vgg19-dcbb9e9d.pth, or set model.vgg: null"
        ) from None
    return network.eval().requires_grad_(False)
