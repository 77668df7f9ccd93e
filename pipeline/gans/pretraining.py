"""A training that comes before the game."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

NextBatch = Callable[[int], Mapping[str, Tensor]]
"""Batch size -> the next batch."""


@dataclass(frozen=True)
class Pretraining:
    """A network that learns from the training data before the game, and stays as it is in the game.

    Attributes:
        network: Name of the child module.
        settings: What its weights depend on, besides data, seed and code.
        fit: Trains a new network on a device and returns its weights by name, on the CPU. Initial weights come from
            torch's global generator; the caller seeds it.
    """

    network: str
    settings: str
    fit: Callable[[NextBatch, torch.device], dict[str, Tensor]]
