"""VGG19's convolutions (Simonyan & Zisserman 2015, configuration E) up to conv5_4, from a weights file of the user's own.

No package ships them: torchvision's `vgg19-dcbb9e9d.pth` is the file that perceptual losses are measured with.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.errors import InputError

WIDTHS: tuple[int | None, ...] = (
    64,
    64,
    None,
    128,
    128,
    None,
    256,
    256,
    256,
    256,
    None,
    512,
    512,
    512,
    512,
    None,
    512,
    512,
    512,
    512,
)
"""Of each convolution; None halves the side."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, which the weights expect taken off."""


class VGG19(nn.Module):
    """Images [B, 1 or 3, H, W] in [-1, 1] -> maps [B, 512, H / 16, W / 16] of conv5_4 before its rectifier (Wang 2018, section 3.2)."""

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
        colour = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        maps: Tensor = self.features(((colour + 1) / 2 - self.mean) / self.std)
        return maps


def load(path: Path) -> VGG19:
    """VGG19 with the weights of a torchvision file. Raises InputError naming the file when it is missing or holds other weights."""
    network = VGG19()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        wanted = {name: state[name] for name in network.state_dict() if name.startswith("features.")}
        network.load_state_dict(wanted, strict=False)
    except FileNotFoundError:
        raise InputError(
            f"model.vgg: {path}: no such file; give torchvision's vgg19-dcbb9e9d.pth, or set model.vgg: null"
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever a file that is no checkpoint makes torch raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"model.vgg: {path}: not the weights of torchvision's VGG19 ({reason}); give vgg19-dcbb9e9d.pth, or set model.vgg: null"
        ) from None
    return network.eval().requires_grad_(False)
