"""The task "translate": turn images of one domain into images of another."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pipeline.measure import Measure
from pipeline.media.base import Medium
from pipeline.serving.onnx.metadata import Metadata
from pipeline.tasks.apply_usage import apply_usage
from pipeline.tasks.task import Task
from pipeline.tasks.translate.settings import TranslationGate
from pipeline.tasks.translate.translation_measures import MEASURES


class TranslateTask(Task):
    """Turn images of one domain into images of another."""

    name = "translate"
    Gate = TranslationGate
    views: ClassVar[Mapping[str, str]] = {
        "paired": "pipeline.data.views:Paired",
        "domains": "pipeline.data.views:Domains",
    }
    look_builder = "pipeline.tasks.translate.translation_look:build_look"
    evaluator = "pipeline.tasks.translate.translation_evaluation:evaluate"
    headline = tuple(measure.name for measure in MEASURES if measure.headline)
    compared = ("psnr", "fid", "kid")
    takes_input = True
    intended_use = (
        "Turning images of one domain of the training data into images of the other: drafts, illustrations, "
        "augmentation."
    )
    risk = "It also alters images outside both domains; those results are meaningless."
    evidence_note = "it invents what images of the other domain usually contain, and removes what they do not contain."

    def measures(self, medium: Medium) -> Sequence[Measure[Any]]:
        return MEASURES

    def describe(self, metadata: Metadata) -> str:
        kind = "RGB" if metadata.item.channels == 3 else "gray"
        domains = " to ".join(metadata.classes) if len(metadata.classes) == 2 else "domain A to domain B"
        size = f"{metadata.item.height} x {metadata.item.width}"
        return f"A network that translates {kind} images from {domains}, trained at {size} pixels"

    def usage(self, metadata: Metadata, signature: Mapping[str, Any]) -> str:
        return apply_usage(metadata, signature, "translated")

    def try_it(self) -> str:
        return "ganline apply photo.jpg -o translated.png"

    def relative_diversity(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        # Both are relative to real images already.
        names = ("dependence", "diversity_ratio")
        return {name: float(value) for name in names if isinstance(value := metrics.get(name), int | float)}
