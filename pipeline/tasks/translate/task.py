"""The task "translate": turn items of one domain into items of another."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.evaluation.settings import Gate as GateBase
from pipeline.measure import Measure
from pipeline.media.base import Medium
from pipeline.media.registry import find_medium
from pipeline.serving.onnx.metadata import Metadata
from pipeline.tasks.apply_usage import apply_command, apply_usage
from pipeline.tasks.medium_measures import modules_of
from pipeline.tasks.task import Task
from pipeline.tasks.translate.settings import TranslationGate, translation_gate
from pipeline.tasks.translate.translation_measures import MEASURES, measures_for

if TYPE_CHECKING:
    from pipeline.arrays import Items
    from pipeline.data.store import ItemSet
    from pipeline.tasks.base import EvaluationCase
    from pipeline.tasks.exported_model import ExportedModel


class TranslateTask(Task):
    """Turn items of one domain into items of another."""

    name = "translate"
    Gate = TranslationGate
    views: ClassVar[Mapping[str, str]] = {
        "paired": "pipeline.data.domain_views:Paired",
        "domains": "pipeline.data.domain_views:Domains",
        "classes": "pipeline.data.domain_views:Classes",
    }
    look_builder = "pipeline.tasks.translate.translation_look:build_look"
    evaluator = "pipeline.tasks.translate.translation_evaluation:evaluate"
    blind_test = "pipeline.tasks.translate.blind_items:draw_items"
    headline = tuple(measure.name for measure in MEASURES if measure.headline)
    compared = ("psnr", "fid", "kid")
    takes_input = True
    bytes_only = True
    intended_use = (
        "Turning {noun}s of one domain of the training data into {noun}s of another: drafts, illustrations, "
        "augmentation."
    )
    risk = "It also alters {noun}s outside these domains; those results are meaningless."
    evidence_note = (
        "it invents what {noun}s of the target domain usually contain, and removes what they do not contain."
    )

    def gate(self, medium: Medium) -> type[GateBase]:
        return translation_gate(tuple(self.measures(medium)))

    def measures(self, medium: Medium) -> Sequence[Measure[Any]]:
        return measures_for(medium)

    def evaluation_modules(self, medium: Medium) -> tuple[str, ...]:
        return (*super().evaluation_modules(medium), *modules_of(self.measures(medium)))

    def check_test_split(self, test: "ItemSet") -> None:
        from pipeline.tasks.translate.domain_features import require_domains

        require_domains(test)

    def describe(self, metadata: Metadata) -> str:
        medium, item = find_medium(metadata.item.medium), metadata.item
        if len(metadata.classes) > 2:
            domains = f"any of {', '.join(metadata.classes)} to any other"
        else:
            domains = " to ".join(metadata.classes) if metadata.classes else "domain A to domain B"
        extent = medium.extent(item.height, item.width)
        return f"A network that translates {medium.kind(item)}s from {domains}, trained at {extent}"

    def usage(self, metadata: Metadata, signature: Mapping[str, Any]) -> str:
        return apply_usage(metadata, signature, "translated")

    def try_it(self, medium: Medium) -> str:
        return apply_command(medium, "translated")

    def show_exported(self, model: "ExportedModel", case: "EvaluationCase") -> "Items":
        from pipeline.tasks.translate.exported_translations import translate_some

        return translate_some(model, case)
