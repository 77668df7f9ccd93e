"""The protocol between a variant and everything else: what it trains on, its losses, how it samples and exports.

The training loop, the evaluation and the export know this file and no variant.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Batch = Mapping[str, Tensor]
"""What a view yields: named tensors. Images are float [B, C, H, W] in [-1, 1]; labels are int64 [B]."""


@dataclass(frozen=True)
class View:
    """What a variant's batches hold, by the name of a view of the data and its options.

    unlabelled: {"image"}; labelled: {"image", "label"}; partly_labelled: {"image", "labelled_image", "label"}, option per_class;
    degraded: {"input", "target"}, options as pipeline.data.degradations takes them; paired and domains: {"a", "b"}, images of either side,
    which belong together, one to one, or do not.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far training is: `step` counts from 0, `done` is the share of the schedule that has passed, 0 to 1."""

    step: int
    fraction: float


@dataclass(frozen=True)
class Direction:
    """One way of a translating variant: pictures of the side `source` become such as those of the side `target` ("a", "b").

    `back` names the direction that undoes it, None where there is none; with `styles` one picture has many translations.
    """

    source: Literal["a", "b"]
    target: Literal["a", "b"]
    inverse: str | None = None
    multimodal: bool = False


@dataclass(frozen=True)
class Loss:
    """`total` (a scalar) is differentiated; `terms` (detached scalars by name) are only recorded."""

    total: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)


LossFunction = Callable[[Batch, Progress, torch.Generator], Loss]
"""(batch, progress, random generator on the batch's device) -> Loss."""


@dataclass(frozen=True)
class Phase:
    """One optimizer update within a step: `loss` is computed on a fresh batch and moves `networks` alone.

    `role` picks the learning rate of the parameters file; `lr_scale` multiplies it, and `beta_power` is what Adam's betas are
    raised to. `every` makes it run only in steps that it divides, `start` only when that share of the schedule has passed; gradients are
    scaled down to a norm of `clip`, where that is above 0; `after` is called when the networks have moved. Phases may share networks, or be the
    same one several times a step.
    """

    name: str
    networks: tuple[str, ...]
    loss: LossFunction
    role: Literal["generator", "discriminator"]
    lr_scale: float = 1.0
    beta_power: float = 1.0
    every: int = 1
    start: float = 0.0
    clip: float = 0.0
    after: Callable[[], None] | None = None


@dataclass(frozen=True)
class ExportSpec:
    """One graph to export: `module(*inputs.values()) -> outputs`, first axis of every tensor dynamic.

    With `multiple` height and width of its image inputs (those of four axes) are dynamic too, in multiples of it; 0: they are fixed.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    multiple: int = 0


class GAN(nn.Module, ABC):
    """A variant: its networks are child modules, by name; whatever else it must remember are buffers.

    `view` names what a batch holds; `ema_networks` the networks whose exponential moving average is kept and delivered.
    `latent` is the length of z, 0 where there is none; `classes` how many labels `sample` and the exported graph take as
    `label`, int64 [n], 0 where they take none. `group` is how many images of a batch are judged together and cannot be parted.

    `task` says by which rules a variant is looked at, judged, reported and served: it makes images of latents alone (generate), or makes
    clean ones of degraded ones (restore; its view holds "input" and "target"), whose side is `scale` times larger, or turns pictures of one
    side of the data into such as those of the other (translate; its view holds "a" and "b"). `examples` is how many
    entries of its view of held-out data `preview` shows, in rows of `columns` pictures; 0 where it needs none, and any sheet will do.
    `advice` says, by the symptoms of `training.health`, what may help where that is not what helps in a game of z alone.
    """

    task: str = "generate"
    view: View
    ema_networks: tuple[str, ...] = ("generator",)
    latent: int = 0
    classes: int = 0
    group: int = 1
    scale: int = 1
    preview_examples: int = 0
    preview_columns: int = 0
    advice: Mapping[str, str] = {}

    @abstractmethod
    def phases(self) -> list[Phase]:
        """The updates of one training step, in order."""

    @abstractmethod
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """`n` generated images, float [n, C, H, W] in [-1, 1], on the network's device; `rng` lives on the CPU.

        `conditions` are inputs of the exported graph by name (`z`, `label`, `image`); those not given are drawn from `rng`, but for
        `image`, which variants that need one cannot do without.
        """

    @abstractmethod
    def export(self) -> list[ExportSpec]:
        """The graphs that make up the delivered model."""

    def preview(self, n: int, rng: torch.Generator, examples: Batch) -> Tensor:
        """What a person is shown while training, [m, C, H, W] in [-1, 1]: here `n` samples, of each class in turn where there are classes.

        `examples` is a batch of `self.preview_examples` entries of held-out data, empty where none are wanted.
        """
        return self.sample(n, rng, **({"label": torch.arange(n) % self.classes} if self.classes else {}))

    def selection_metric(self, progress: Progress) -> str:
        """The number of a look (see `training.watch`), smaller is better, by which the best model is chosen in this part of the training."""
        return "fid"

    def evaluation_views(self) -> Mapping[str, View]:
        """What it is judged on, by name, where that is held-out data that a view makes; the first decides where one number is wanted."""
        return {}

    def distances(self, made: Tensor, wanted: Tensor) -> Mapping[str, float]:
        """Distances of a variant's own, by name, between what it made and what it should be [1, C, H, W]; smaller is better."""
        return {}

    def directions(self) -> Mapping[str, Direction]:
        """The ways a translating variant goes, by name; the first is that of `sample` and of the first exported graph."""
        return {}

    def translate(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """Pictures [n, C, H, W] in [-1, 1] of a direction's source, as they would be on its target's side; of the same shape, on the network's
        device. Styles are drawn from `rng`, which lives on the CPU."""
        raise NotImplementedError

    def reconstruct(self, made: Tensor, originals: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """What `direction` made of the originals, taken back; of these only what the way back may know of them is used, such as their style."""
        back = self.directions()[direction].inverse
        assert back is not None
        return self.translate(made, back, rng)

    def map_identity(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor | None:
        """What becomes of pictures that already are of a direction's target side; None of graphs that hold no such way."""
        return self.translate(images, direction, rng)

    def trunk(self) -> nn.Module | None:
        """What the discriminator learnt, as images [n, C, H, W] -> features [n, d]; None where a variant has nothing to offer."""
        return None

    def augment_for_discriminator(self, images: Tensor, progress: Progress, rng: torch.Generator) -> Tensor:
        """Images [B, C, H, W] as the discriminator sees them in training: here as they are."""
        return images

    def score(self, images: Tensor, label: Tensor | None = None) -> Tensor | None:
        """How real the discriminator finds images [n, C, H, W] as they are, [n], larger is more real; None where a variant has none.

        `label` [n] where the variant takes any. Changes nothing that is remembered.
        """
        return None

    def classifier(self) -> nn.Module | None:
        """Images [n, C, H, W] -> class logits [n, K], of variants that learn one."""
        return None


def to_uint8(images: Tensor) -> npt.NDArray[np.uint8]:
    """Float [n, C, H, W] in [-1, 1] -> uint8 [n, H, W, C] as floor(127.5 x + 128), clamped: the rounding every judgement uses.

    Values that are not finite become 0; who must know of them looks before.
    """
    pixels = images.detach().float().mul(127.5).add(128).nan_to_num(0.0).clamp(0, 255).floor().byte()
    array: npt.NDArray[np.uint8] = pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return array
