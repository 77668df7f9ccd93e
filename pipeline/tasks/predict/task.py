"""The task "predict": the next frames of a clip, or the frames between those that it has."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.measure import Measure
from pipeline.media.base import Medium
from pipeline.media.registry import find_medium
from pipeline.media.settings import DataSettings
from pipeline.serving.onnx.metadata import Metadata
from pipeline.tasks.medium_measures import modules_of
from pipeline.tasks.predict.prediction_measures import MEASURES
from pipeline.tasks.predict.settings import PredictionGate
from pipeline.tasks.task import Task

if TYPE_CHECKING:
    from pipeline.data.store import ItemSet


class PredictTask(Task):
    """Predict frames of clips."""

    name = "predict"
    Gate = PredictionGate
    views: ClassVar[Mapping[str, str]] = {"unlabelled": "pipeline.data.views:Unlabelled"}
    look_builder = "pipeline.tasks.predict.prediction_look:build_look"
    evaluator = "pipeline.tasks.predict.prediction_evaluation:evaluate"
    headline = tuple(measure.name for measure in MEASURES if measure.headline)
    compared = ("psnr_first",)
    takes_input = True
    keeps_colours = True
    bytes_only = True
    intended_use = "Continuing {noun}s like the training data, or making their motion smoother, for people."
    risk = "Predicted frames are plausible, not certain; errors grow with the number of frames."
    evidence_note = "it invents frames that nobody recorded. Do not read events from its output."

    def suits(self, medium: Medium, settings: DataSettings) -> bool:
        """Return True: a variant refuses data without frames itself."""
        return True

    def measures(self, medium: Medium) -> Sequence[Measure[Any]]:
        return MEASURES

    def evaluation_modules(self, medium: Medium) -> tuple[str, ...]:
        return (*super().evaluation_modules(medium), *modules_of(MEASURES))

    def check_test_split(self, test: "ItemSet") -> None:
        from pipeline.tasks.predict.prediction_evaluation import require_clips

        require_clips(test)

    def describe(self, metadata: Metadata) -> str:
        kind = find_medium(metadata.item.medium).kind(metadata.item)
        if metadata.between:
            return f"A network that predicts the frame between two frames, trained on {kind}s"
        return f"A network that predicts the next frame from {metadata.past} past ones, trained on {kind}s"

    def usage(self, metadata: Metadata, signature: Mapping[str, Any]) -> str:
        medium = find_medium(metadata.item.medium)
        command = self.try_it(medium) if metadata.between else f"{self.try_it(medium)} --frames 8"
        meaning = "between its two frames" if metadata.between else "after its frames, oldest first"
        return f"""## How to use

```
{command} --model generator.onnx
```

The graph maps `frames` to `next_frames`: the frame {meaning}. To predict more, feed the result back. Height and width
are multiples of {metadata.multiple}.
"""

    def try_it(self, medium: Medium) -> str:
        return f"ganline apply {medium.example_file} -o predicted{next(iter(medium.formats))}"
