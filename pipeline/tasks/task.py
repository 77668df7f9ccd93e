"""The contract of a task: what a model is for. Importing this module does not import torch.

A task is one folder with a subclass of `Task` and one line in `pipeline/tasks/registry.py`. Nothing outside that
folder knows the task by name.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import InputError
from pipeline.evaluation.settings import Gate as GateBase
from pipeline.measure import Measure
from pipeline.media.base import Medium
from pipeline.media.settings import DataSettings
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.onnx.model_card import CardWords

if TYPE_CHECKING:
    import torch

    from pipeline.arrays import Items
    from pipeline.data.batch_sampling import TrainingItems
    from pipeline.data.store import ItemSet
    from pipeline.evaluation.blind_test import BlindTest
    from pipeline.evaluation.comparison import Comparison
    from pipeline.gans.base import GAN, Batch, View
    from pipeline.tasks.base import EvaluationCase, EvaluationResult
    from pipeline.tasks.exported_model import ExportedEvaluation, ExportedModel
    from pipeline.tasks.training_case import TrainingCase
    from pipeline.training.looks import Look
    from pipeline.training.protocols import Batches


class Task(ABC):
    """What a model is for: its views of the data, its look during training, its evaluation, and the words about it.

    The parts that need torch are named as "module:attribute" and imported when they are used.

    Attributes:
        name: The name that a variant's settings and an exported graph carry.
        Gate: Settings of `evaluate.gate`; a bound of null switches its test off.
        views: The views its variants may train on, by name: classes called with (data, device, seed, **options).
        on_host: Its views compute on the host, whatever the device of the training.
        look_builder: The function that builds the look of a training: TrainingCase -> Look.
        evaluator: The function that evaluates a model: EvaluationCase -> EvaluationResult.
        blind_test: The function that draws the items of a blind test: (GAN, TrainingItems, ItemSet, BlindTest) -> real
            items, generated items; empty if people cannot compare the two.
        compared: Names of the measures that promotion records if there is no champion to compare with.
        keeps_colours: The output shows what the input shows, in the same colours: of a gray input it is gray.
        takes_input: The model transforms an item that it is given; if not, it draws samples from latents alone.
        bytes_only: Its measures compare 8-bit levels, so items of other dtypes are refused.
        intended_use: The model card's sentence on what the model is good for. In this and the next two, {noun} stands
            for one item of the medium.
        risk: The model card's sentence on what to check before using its output.
        evidence_note: The model card's sentence on why its output is not evidence.
    """

    name: ClassVar[str]
    Gate: ClassVar[type[GateBase]]
    views: ClassVar[Mapping[str, str]]
    on_host: ClassVar[bool] = False
    look_builder: ClassVar[str]
    evaluator: ClassVar[str]
    blind_test: ClassVar[str] = ""
    compared: ClassVar[tuple[str, ...]]
    takes_input: ClassVar[bool]
    keeps_colours: ClassVar[bool] = False
    bytes_only: ClassVar[bool] = False
    intended_use: ClassVar[str]
    risk: ClassVar[str]
    evidence_note: ClassVar[str]

    def gate(self, medium: Medium) -> type[GateBase]:
        """Return the settings of `evaluate.gate` for items of a medium: the class `Gate` or one derived from it."""
        return self.Gate

    def compares_bytes(self, medium: Medium) -> bool:
        """Return whether items of this medium are compared by their 8-bit levels."""
        return self.bytes_only

    def suits(self, medium: Medium, settings: DataSettings) -> bool:
        """Return whether items that are stored by these settings can be used as the task uses them."""
        return not self.takes_input or medium.transforms_items(settings)

    def measures(self, medium: Medium) -> Sequence[Measure[Any]]:
        """Return the measures of models for items of a medium."""
        return ()

    # --- words: no torch ---

    @property
    def headline(self) -> tuple[str, ...]:
        """Names of the measures that a summary shows, in order."""
        return ()

    def words(self, medium: Medium) -> CardWords:
        """Return the sentences of the model card for items of a medium."""
        return CardWords(self.intended_use, self.risk, self.evidence_note)

    @abstractmethod
    def describe(self, metadata: Metadata) -> str:
        """Return the first sentence of the model card, without its end: what the model is."""

    @abstractmethod
    def usage(self, metadata: Metadata, signature: Mapping[str, Any]) -> str:
        """Return the section of the model card that shows how to use the model, as Markdown."""

    @abstractmethod
    def try_it(self, medium: Medium) -> str:
        """Return a command line that tries the exported model."""

    def summary(self, metrics: Mapping[str, Any]) -> list[str]:
        """Return the numbers that a summary of the evaluation shows, as "name value"."""
        return [f"{name} {value:.4g}" for name in self.headline if isinstance(value := metrics.get(name), int | float)]

    @property
    def training_modules(self) -> tuple[str, ...]:
        """The modules that decide a training of this task: its look and its views."""
        own = tuple(reference.partition(":")[0] for reference in (self.look_builder, *self.views.values()))
        return "pipeline.data.prefetching", *own

    def evaluation_modules(self, medium: Medium) -> tuple[str, ...]:
        """Return the modules that decide an evaluation of items of a medium."""
        return (self.evaluator.partition(":")[0],)

    # --- training and evaluation: torch is imported here ---

    def open_view(
        self, view: "View", data: "TrainingItems", device: "torch.device", seed: int, **options: Any
    ) -> "Batches":
        """Open a view of the data that a variant of this task asks for; its batches are on `device`."""
        from pipeline.data.prefetching import open_batches

        kind = load(self.views[view.name])
        return open_batches(kind, data, device, seed, on_host=self.on_host, **options, **view.options)

    def examples(self, gan: "GAN", data: "TrainingItems", device: "torch.device", seed: int) -> "Batch":
        """Return the entries of its own view that `gan.preview` shows; the same seed gives the same entries."""
        return self.open_view(gan.view, data, device, seed).next(gan.preview_examples) if gan.preview_examples else {}

    def look(self, case: "TrainingCase") -> "Look":
        """Build the look that measures the averaged networks during training."""
        look: Look = load(self.look_builder)(case)
        return look

    def check_test_split(self, test: "ItemSet") -> None:
        """Check that a test split suffices for an evaluation; the validate stage calls it.

        Raises:
            InputError: It does not suffice. The message names the remedy.
        """
        from pipeline.evaluation.reference import require_reference

        require_reference(test)

    def evaluate(self, case: "EvaluationCase") -> "EvaluationResult":
        """Evaluate a model on held-out data.

        Raises:
            InputError: The test split is empty, or the weights of the features are missing.
        """
        result: EvaluationResult = load(self.evaluator)(case)
        return result

    def blind_items(
        self, gan: "GAN", train: "TrainingItems", test: "ItemSet", blind: "BlindTest"
    ) -> tuple["Sequence[Items] | Items", "Sequence[Items] | Items"]:
        """Draw what a blind test shows: real items and generated ones, each [H, W, C].

        Raises:
            InputError: The task has no such test, there are too few items, or the model generates NaN or Inf.
        """
        if not self.blind_test:
            raise InputError(f"the task {self.name} has no blind test")
        real, generated = load(self.blind_test)(gan, train, test, blind)
        return real, generated

    # --- promotion ---

    def evaluate_exported(self, model: "ExportedModel", case: "EvaluationCase") -> "ExportedEvaluation":
        """Evaluate an exported model, for champion against challenger; `case.gan` is an untrained variant.

        The default runs the graphs in the place of the variant's networks. Evaluations are cached.

        Raises:
            InputError: A graph is missing, or does not fit the task.
        """
        from pipeline.tasks.exported_gan import evaluate_exported

        return evaluate_exported(model, case, load(self.evaluator))

    def show_exported(self, model: "ExportedModel", case: "EvaluationCase") -> "Items | None":
        """Return items [n, H, W, C] that show an exported model next to another; None shows nothing."""
        return None

    def compare(
        self, challenger: "ExportedEvaluation", champion: "ExportedEvaluation", seed: int
    ) -> Mapping[str, "Comparison"]:
        """Compare two models by every measure that both have.

        Raises:
            InputError: The protocols differ, or there are too few items.
        """
        from pipeline.evaluation.comparison import compare_all

        protocols = str(challenger.metrics["protocol"]), str(champion.metrics["protocol"])
        return compare_all(challenger.material, champion.material, protocols, seed)

    def relative_diversity(self, metrics: Mapping[str, Any], medium: Medium) -> dict[str, float]:
        """Return the measures with a `promotion_floor`, relative to real data: 1 is the diversity of real data."""
        diversity = {}
        for measure in self.measures(medium):
            if measure.promotion_floor is not None:
                over = measure.promotion_floor.over
                value, real = metrics.get(measure.name), metrics.get(over) if over else 1.0
                if isinstance(value, int | float) and isinstance(real, int | float) and real > 0:
                    diversity[measure.name] = value / real
        return diversity


def load(reference: str) -> Any:
    """Import what a "module:attribute" reference names."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)
