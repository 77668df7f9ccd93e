"""The task "restore": make a clean image of a degraded one."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pipeline.measure import Measure
from pipeline.media.base import Medium
from pipeline.serving.onnx.metadata import Metadata
from pipeline.tasks.apply_usage import apply_usage
from pipeline.tasks.restore.restoration_measures import MEASURES
from pipeline.tasks.restore.settings import RestorationGate
from pipeline.tasks.task import Task


class RestoreTask(Task):
    """Make a clean image of a degraded one."""

    name = "restore"
    Gate = RestorationGate
    views: ClassVar[Mapping[str, str]] = {"degraded": "pipeline.data.views:Degraded"}
    look_builder = "pipeline.tasks.restore.restoration_look:build_look"
    evaluator = "pipeline.tasks.restore.restoration_evaluation:evaluate"
    headline = tuple(measure.name for measure in MEASURES if measure.headline)
    compared = ("psnr", "fid")
    takes_input = True
    intended_use = "Making images of the training data's kind larger or cleaner, for people to look at."
    risk = (
        "It was trained on one kind of degradation (see the settings above); it can make images with other "
        "degradations worse."
    )
    evidence_note = (
        "it invents details that the input does not contain. Do not read plates, faces or findings from its output."
    )

    def measures(self, medium: Medium) -> Sequence[Measure[Any]]:
        return MEASURES

    def describe(self, metadata: Metadata) -> str:
        kind = "RGB" if metadata.item.channels == 3 else "gray"
        larger = f", {metadata.scale} times larger," if metadata.scale > 1 else ""
        return f"A network that restores {kind} images of any size{larger} from degraded ones"

    def usage(self, metadata: Metadata, signature: Mapping[str, Any]) -> str:
        return apply_usage(metadata, signature, "restored")

    def try_it(self) -> str:
        return "ganline apply photo.jpg -o restored.png"
