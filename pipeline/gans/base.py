"""The protocol between a variant and everything else: what it trains on, its losses, how it samples and exports.

The training loop, the evaluation and the export know this file and no variant.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

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
