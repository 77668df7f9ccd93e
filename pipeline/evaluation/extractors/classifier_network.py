"""The network of the classifier that evaluates data with labels."""

from torch import Tensor, nn

from pipeline.evaluation.extractors.base import count_features
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.media.scale import BYTES

DIMS = 64
"""Features. Modest, because the Fréchet distance needs several items per dimension, and test splits can be small."""


class ClassifierNetwork(nn.Module):
    """Maps values [n, C, H, W] in 0 .. 255 to features [n, d]; `head` maps those to logits [n, K]."""

    def __init__(self, item: ItemSpec) -> None:
        super().__init__()
        tensors = tensors_of(item)
        self.body = tensors.classifier_body() or ConvolutionalBody(tensors.feature_item)
        self.dims = count_features(self.body, tensors.feature_item)
        self.head = nn.Linear(self.dims, len(item.classes))

    def forward(self, values: Tensor) -> Tensor:
        features: Tensor = self.body(values)
        return features


class ConvolutionalBody(nn.Sequential):
    """Maps values [n, C, H, W] in 0 .. 255 to features [n, 64].

    A stem of patches reduces each side to at most about 16, so the cost hardly grows with the resolution.
    """

    def __init__(self, item: ItemSpec) -> None:
        channels = item.network_channels
        rows, columns = max(1, item.height // 16), max(1, item.width // 16)
        width = 32 if max(rows, columns) <= 2 else 64
        kernel = (2 * rows if rows > 1 else 3), (2 * columns if columns > 1 else 3)
        padding = (max(1, rows // 2), max(1, columns // 2))
        stem = nn.Conv2d(channels, width, kernel, (rows, columns), padding, bias=False)
        layers = [stem, *normalisation(width), *block(width, 64), *block(64, 96, stride=2)]
        sides = [halve(count_patches(side, step)) for side, step in ((item.height, rows), (item.width, columns))]
        if max(sides) > 4:
            layers += block(96, 96, stride=2)
            sides = [halve(side) for side in sides]
        # Flattened, not pooled: positions tell classes apart, and broken samples from good ones.
        super().__init__(
            *layers,
            nn.Flatten(),
            nn.Linear(96 * sides[0] * sides[1], DIMS, bias=False),
            nn.BatchNorm1d(DIMS),
            nn.LeakyReLU(0.1),
        )

    def forward(self, values: Tensor) -> Tensor:
        features: Tensor = super().forward(values / BYTES.half - BYTES.offset)  # type: ignore[no-untyped-call]
        return features


def count_patches(side: int, patch: int) -> int:
    """Return the side that the stem makes of `side`."""
    return (side + 2 * (patch // 2) - 2 * patch) // patch + 1 if patch > 1 else side


def halve(side: int) -> int:
    """Return the side that a convolution of stride 2 makes of `side`."""
    return (side + 1) // 2


def block(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    """Return the layers of a 3 x 3 convolution with normalisation and activation."""
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), *normalisation(outputs)]


def normalisation(channels: int) -> list[nn.Module]:
    """Return batch normalisation and a leaky activation; a dead unit would make the covariance singular."""
    return [nn.BatchNorm2d(channels), nn.LeakyReLU(0.1)]
