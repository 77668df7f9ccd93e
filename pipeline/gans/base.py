"""The protocol between a variant and everything else: what it trains on, its losses, how it samples and exports.

The training loop, the evaluation and the export know this file and no variant.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Batch = Mapping[str, Tensor]
"""What a view yields: named tensors. Images are float [B, C, H, W] in [-1, 1]; labels are int64 [B]."""

ViewName = Literal["unlabelled", "labelled"]


@dataclass(frozen=True)
class ImageSpec:
    """The images a network sees: square, `channels` 1 or 3, `classes` 0 where there are no labels."""

    resolution: int
    channels: int
    classes: int = 0


@dataclass(frozen=True)
class Loss:
    """`total` (a scalar) is differentiated; `terms` (detached scalars by name) are only recorded."""

    total: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)


LossFunction = Callable[[Batch, int, torch.Generator], Loss]
"""(batch, step, random generator on the batch's device) -> Loss."""


@dataclass(frozen=True)
class Phase:
    """One optimizer update within a step: `loss` is computed on a fresh batch and moves `networks` alone.

    `role` picks the learning rate of the parameters file; `lr_scale` multiplies it.
    """

    name: str
    networks: tuple[str, ...]
    loss: LossFunction
    role: Literal["generator", "discriminator"]
    lr_scale: float = 1.0


@dataclass(frozen=True)
class ExportSpec:
    """One graph to export: `module(*inputs.values()) -> outputs`, first axis of every tensor dynamic."""

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]


class GAN(nn.Module, ABC):
    """A variant: its networks are child modules, by name.

    `view` names what a batch holds; `averaged` names the networks whose exponential moving average
    is kept, delivered and exported.
    """

    view: ClassVar[ViewName]
    averaged: ClassVar[tuple[str, ...]] = ("generator",)

    @abstractmethod
    def phases(self) -> list[Phase]:
        """The updates of one training step, in order."""

    @abstractmethod
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """`n` generated images, float [n, C, H, W] in [-1, 1], on the network's device; `rng` lives on the CPU."""

    @abstractmethod
    def export(self) -> list[ExportSpec]:
        """The graphs that make up the delivered model."""


def to_uint8(images: Tensor) -> npt.NDArray[np.uint8]:
    """Float [n, C, H, W] in [-1, 1] -> uint8 [n, H, W, C] as floor(127.5 x + 128), clamped: the rounding every judgement uses.

    Values that are not finite become 0; who must know of them looks before.
    """
    pixels = images.detach().float().mul(127.5).add(128).nan_to_num(0.0).clamp(0, 255).floor().byte()
    array: npt.NDArray[np.uint8] = pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return array
