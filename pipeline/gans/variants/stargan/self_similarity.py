"""Self-similarity of images: what a translation keeps although every colour may change.

Zheng et al., "The Spatially-Correlative Loss for Various Image Translation Tasks" (2021), compare maps of the
similarity between a place and its neighbours. They take features of a trained VGG; here pixels are compared.
"""

from collections.abc import Iterator

from torch import Tensor

RADII = (1, 2, 4)
"""Distances of the neighbours, in pixels."""


def structure_loss(images: Tensor, others: Tensor) -> Tensor:
    """Return the mean difference between the self-similarities of images [B, C, H, W], a scalar.

    It is 0 for an image and its negative, and for images that differ by a constant. The sides must exceed 4 pixels.
    """
    gaps = [(one - two).abs().mean() for one, two in zip(contrasts(images), contrasts(others), strict=True)]
    return sum(gaps[1:], gaps[0]) / len(gaps)


def contrasts(images: Tensor) -> Iterator[Tensor]:
    """Yield the absolute difference to one neighbour in each direction and distance, averaged over the channels.

    Differences with the opposite neighbours are the same numbers.
    """
    height, width = images.shape[2:]
    for radius in RADII:
        for down, right in ((0, radius), (radius, 0), (radius, radius), (radius, -radius)):
            here = images[:, :, : height - down, max(0, -right) : width - max(0, right)]
            there = images[:, :, down:, max(0, right) : width - max(0, -right)]
            yield (here - there).abs().mean(dim=1)
