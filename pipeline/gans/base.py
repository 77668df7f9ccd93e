"""The protocol between a GAN variant and the rest of the project.

The training loop, the evaluation and the export know this module and no variant.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pipeline.captions import Vocabulary
from pipeline.gans.export_spec import ExportSpec as ExportSpec
from pipeline.gans.export_spec import GraphInFront as GraphInFront
from pipeline.gans.pretraining import Pretraining
from pipeline.gans.progress import Progress as Progress
from pipeline.tokenizer import Tokenizer

Batch = Mapping[str, Tensor]
"""Tensors of a batch by name: images float [B, C, H, W] in [-1, 1], labels int64 [B], tokens int64 [B, L]."""


@dataclass(frozen=True)
class View:
    """The contents of a variant's batches: the name of a view of the data, and its options.

    The views and the tensors of their batches:

    - unlabelled: item.
    - labelled: item, label.
    - captioned: item, tokens.
    - partly_labelled: item, labelled_item, label; option per_class.
    - worker_shards: item, row i from worker i modulo their number; options workers, split.
    - degraded: input, target; options of the medium's degradation.
    - paired: a, b, which match.
    - domains: a, b, which do not match.
    - classes: item, label; target, the label of reference and of other_reference, two items of one class.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Direction:
    """One direction of a translation variant.

    Attributes:
        source: Domain of the inputs, one of `pipeline.items.DOMAINS`: "a" and "b", or as many as there are classes.
        target: Domain of the outputs.
        inverse: Name of the direction that maps back; None if there is none.
        multimodal: One input has many translations, which differ in style.
    """

    source: str
    target: str
    inverse: str | None = None
    multimodal: bool = False


@dataclass(frozen=True)
class Loss:
    """The result of a loss function.

    Attributes:
        total: Scalar to differentiate.
        terms: Scalars by name that are only logged.
    """

    total: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)


LossFunction = Callable[[Batch, Progress, torch.Generator], Loss]
"""(batch, progress, random generator on the batch's device) -> Loss."""


@dataclass(frozen=True)
class Phase:
    """One optimizer update within a training step: `loss` on a batch updates `networks` and no others.

    Several phases may update the same network, and a phase may occur several times in a step.

    Attributes:
        name: Name in the logged curves.
        networks: Names of the child modules to update.
        loss: The loss function.
        role: Which learning rate of the settings applies.
        lr_scale: Factor of that learning rate.
        beta_power: Exponent applied to both of Adam's betas.
        every: Run only in steps that this number divides.
        start: Fraction of the schedule before which the phase is skipped.
        max_grad_norm: Norm to which the gradient is clipped; 0 disables clipping.
        same_batch: Take the batch and the random numbers of the step's last phase with a fresh batch.
        before_update: Called before the loss is computed.
        after_update: Called after the update.
    """

    name: str
    networks: tuple[str, ...]
    loss: LossFunction
    role: Literal["generator", "discriminator"]
    lr_scale: float = 1.0
    beta_power: float = 1.0
    every: int = 1
    start: float = 0.0
    max_grad_norm: float = 0.0
    same_batch: bool = False
    before_update: Callable[[Progress], None] | None = None
    after_update: Callable[[], None] | None = None


class GAN(nn.Module, ABC):
    """A variant: its networks are child modules; everything else it must remember is a buffer.

    Attributes:
        task: Name of the task the variant is for, see `pipeline.tasks`.
        view: View of the data that batches are drawn from.
        ema_networks: Networks of which an exponential moving average is kept; the averages are evaluated and exported.
        latent: Length of z; 0 if the variant takes none.
        classes: Number of labels that `label`, int64 [n], chooses from; 0 without labels.
        group: Images of a batch that cannot be separated, such as those that are scored together (PacGAN).
        past: Frames that a variant for prediction takes; 0 for others.
        between: It predicts the frame between those that it takes, and not the next one.
        motion: Values at the end of z that make one frame of a clip, so that more of them make more frames; 0 if the
            number of frames is fixed.
        scale: Factor between the side of the output and that of the input, for restoration.
        preview_examples: Held-out items that `preview` takes; 0 if none.
        preview_columns: Images in a row of the preview; 0 lets the caller choose.
        vocabulary: What turns captions into tokens; None for variants that take no text.
        advice: What may help against a failure mode of `pipeline.training.failure_modes`, by its name; replaces the
            advice there, which is for unconditional and conditional generation.
    """

    task: str = "generate"
    view: View
    ema_networks: tuple[str, ...] = ("generator",)
    latent: int = 0
    classes: int = 0
    group: int = 1
    past: int = 0
    between: bool = False
    motion: int = 0
    scale: int = 1
    preview_examples: int = 0
    preview_columns: int = 0
    vocabulary: Vocabulary | Tokenizer | None = None
    advice: Mapping[str, str] = {}

    @property
    def condition(self) -> str:
        """What `sample` and the exported graph are asked for, by its name in a batch; empty if unconditional."""
        return "label" if self.classes else ""

    @abstractmethod
    def phases(self) -> list[Phase]:
        """Return the updates of one training step, in order."""

    def homes(self) -> Mapping[str, int]:
        """Return the process in which each network lives, if each lives in one only; empty if every process has all.

        Processes then do not share batches, and their gradients are not averaged: the losses exchange what is needed.
        `Phase.before_update` may move networks.
        """
        return {}

    @abstractmethod
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Generate `n` images.

        Args:
            n: Number of images.
            rng: Random generator on the CPU; draws every condition that is not given.
            conditions: Inputs of the exported graph by name (`z`, `label`, `tokens`, `psi`, `item`, `frames`). The
                last two are never drawn.

        Returns:
            Float [n, C, H, W] in [-1, 1], on the device of the networks.
        """

    @abstractmethod
    def export(self) -> list[ExportSpec]:
        """Return the graphs that make up the exported model."""

    def preview(self, n: int, rng: torch.Generator, examples: Batch) -> Tensor:
        """Return the preview grid shown during training, [m, C, H, W] in [-1, 1]; cycles through conditions, if any.

        Args:
            n: Number of samples, for variants that take no examples.
            rng: Random generator on the CPU.
            examples: `preview_examples` held-out items; empty if the variant takes none.
        """
        return self.sample(n, rng, **self.example_conditions(n))

    def example_conditions(self, n: int) -> dict[str, Tensor]:
        """Return `n` conditions as `sample` takes them, each possible one in turn; empty if unconditional."""
        return {"label": torch.arange(n) % self.classes} if self.classes else {}

    def selection_metric(self, progress: Progress) -> str:
        """Name the health-check metric, smaller is better, that selects the best checkpoint at this point."""
        return "fid"

    def evaluation_views(self) -> Mapping[str, View]:
        """Return the views of the held-out data to evaluate on, by name; the first one is the headline."""
        return {}

    def distances(self, outputs: Tensor, targets: Tensor) -> Mapping[str, float]:
        """Measure the variant's own distances, by name, between outputs and targets [1, C, H, W]; smaller is better."""
        return {}

    def directions(self) -> Mapping[str, Direction]:
        """Return the directions of translation by name; `sample` and the first exported graph use the first one."""
        return {}

    def translate(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """Translate images [n, C, H, W] in [-1, 1] from a direction's source to its target domain.

        The result has the same shape and lies on the device of the networks. Styles are drawn from `rng`, which lives
        on the CPU.
        """
        raise NotImplementedError

    def translate_like(self, images: Tensor, examples: Tensor, direction: str) -> Tensor | None:
        """Translate images, each in the style of an example, both [n, C, H, W]; None if the model takes no examples."""
        return None

    def reconstruct(self, translated: Tensor, originals: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """Translate the result of `direction` back to the source domain, for the cycle test.

        Args:
            translated: What `translate` returned for `originals`.
            originals: Only what the inverse direction may know of them is used, such as their style.
            direction: Name of the forward direction; it must have an inverse.
            rng: Random generator on the CPU.
        """
        inverse = self.directions()[direction].inverse
        assert inverse is not None
        return self.translate(translated, inverse, rng)

    def map_identity(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor | None:
        """Translate images that already belong to the target domain (identity test). None if no graph can do so."""
        return self.translate(images, direction, rng)

    def trunk(self) -> nn.Module | None:
        """Return the discriminator's feature extractor, images [n, C, H, W] -> features [n, d]. None if it has none."""
        return None

    def augment_for_discriminator(self, images: Tensor, progress: Progress, rng: torch.Generator) -> Tensor:
        """Augment images [B, C, H, W] as in discriminator training; unchanged by default."""
        return images

    def score(self, images: Tensor, condition: Tensor | None = None) -> Tensor | None:
        """Return the discriminator's logits [n] of images in eval mode; higher means more real. None without one."""
        return None

    def use_text_encoder(self, graph: bytes) -> None:
        """Take the text encoder of a user, an ONNX graph `tokens` -> `features`, before the training."""
        raise NotImplementedError

    def pretraining(self) -> Pretraining | None:
        """Return the training of a network that comes before the game; None if there is none."""
        return None

    def classifier(self) -> nn.Module | None:
        """Return the classifier that the variant learns, images [n, C, H, W] -> class logits [n, K]. None if none."""
        return None

    def vocoder(self) -> nn.Module | None:
        """Return what makes waves [n, 1, samples] of log-mel pictures [n, 1, mels, frames]. None if it has none."""
        return None
