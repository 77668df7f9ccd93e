"""The perceptual distance of two images: differences between the layers of an untrained network, position by position.

It is that of LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018)
without its learned weights. Random filters need no download, and order the strengths of known corruptions rightly.
"""

import functools

import numpy as np
import torch
from torch import Tensor

from pipeline.arrays import Float64Array, UInt8Array
from pipeline.evaluation.extractors.random_network import RandomNetwork

FLOOR = 0.1
"""Added to the length of a position's features, in units of the values -1 .. 1, so that flat areas count little."""

BATCH = 64


@functools.cache
def network_for(channels: int) -> RandomNetwork:
    """Return the network for images with this number of channels."""
    return RandomNetwork(channels).eval()


@torch.inference_mode()
def perceptual_distances(images: UInt8Array, others: UInt8Array) -> Float64Array:
    """Return the distance of each pair of images [n, H, W, C], [n]; 0 for equal images.

    It is the squared difference of features that are scaled to unit length at each position, as the mean over the
    positions and over the layers.
    """
    network = network_for(images.shape[3])
    parts = []
    for start in range(0, len(images), BATCH):
        pair = (layers(network, one[start : start + BATCH]) for one in (images, others))
        gaps = [(a - b).square().sum(dim=1).mean(dim=(1, 2)) for a, b in zip(*pair, strict=True)]
        parts.append(torch.stack(gaps).mean(dim=0).double().numpy())
    return np.concatenate(parts) if parts else np.empty(0)


def layers(network: RandomNetwork, images: UInt8Array) -> list[Tensor]:
    """Return the features of each layer at each position, at most of unit length, [n, channels, h, w] each."""
    values = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()
    return [maps / (maps.norm(dim=1, keepdim=True) + FLOOR) for maps in network.maps(values)]
