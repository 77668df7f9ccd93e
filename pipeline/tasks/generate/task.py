"""The task "generate": draw new items from latents."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.evaluation.settings import Gate as GateBase
from pipeline.measure import Measure
from pipeline.media.base import Medium
from pipeline.media.registry import find_medium
from pipeline.serving.graph_tensors import TENSORS, controls, generated_shape
from pipeline.serving.onnx.metadata import Metadata
from pipeline.tasks.generate.measures.registry import MEASURES, in_order, measure_modules, measures_for
from pipeline.tasks.generate.settings import SampleGate, sample_gate
from pipeline.tasks.task import Task

if TYPE_CHECKING:
    from pipeline.arrays import Items
    from pipeline.tasks.base import EvaluationCase
    from pipeline.tasks.exported_model import ExportedEvaluation, ExportedModel


class GenerateTask(Task):
    """Draw new items from latents."""

    name = "generate"
    Gate = SampleGate
    views: ClassVar[Mapping[str, str]] = {
        "unlabelled": "pipeline.data.views:Unlabelled",
        "labelled": "pipeline.data.views:Labelled",
        "captioned": "pipeline.data.views:Captioned",
        "partly_labelled": "pipeline.data.views:PartlyLabelled",
        "worker_shards": "pipeline.data.worker_shards:WorkerShards",
    }
    look_builder = "pipeline.tasks.generate.sample_look:build_look"
    evaluator = "pipeline.tasks.generate.sample_evaluation:evaluate_case"
    blind_test = "pipeline.tasks.generate.blind_items:draw_items"
    compared = ("fid", "kid")
    takes_input = False
    intended_use = (
        "Synthetic {noun}s that resemble the training data: illustrations, tests, augmentation, study of the model "
        "itself."
    )
    risk = (
        "Generated {noun}s can be close to training {noun}s. If those are confidential, inspect the output before you "
        "publish it."
    )
    evidence_note = "what it shows never happened."

    def gate(self, medium: Medium) -> type[GateBase]:
        return sample_gate(tuple(self.measures(medium)))

    def measures(self, medium: Medium) -> list[Measure[Any]]:
        return measures_for(medium)

    def evaluation_modules(self, medium: Medium) -> tuple[str, ...]:
        return (*super().evaluation_modules(medium), *measure_modules(medium))

    @property
    def headline(self) -> tuple[str, ...]:
        return tuple(measure.name for measure in in_order(MEASURES.values()) if measure.headline)

    def describe(self, metadata: Metadata) -> str:
        medium, item = find_medium(metadata.item.medium), metadata.item
        extent = medium.extent(item.height, item.width)
        return f"A generative adversarial network that generates {medium.kind(item)}s of {extent}"

    def usage(self, metadata: Metadata, signature: Mapping[str, Any]) -> str:
        medium = find_medium(metadata.item.medium)
        names = [tensor["name"] for tensor in signature["inputs"]]
        options = "".join(f"{control.usage} " for control in controls(names))
        code = {name: TENSORS[name].numpy for name in names}
        inputs = "\n".join(f'    "{name}": {write(metadata)},' for name, write in code.items() if write is not None)
        shape = ", ".join(map(str, generated_shape(metadata)))
        output = medium.output_name(metadata.item)
        return f"""## How to sample

```
ganline sample -n 64 --seed 7 -o grid.png --model generator.onnx
```

{options}A seed gives the same {medium.noun}s regardless of how many are drawn. Any ONNX Runtime works as well:

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("generator.onnx")
inputs = {{
{inputs}
}}
{output} = session.run(["{output}"], inputs)[0]  # [16, {shape}]
values = {medium.code_to_items(metadata.item, output)}
```
"""

    def try_it(self, medium: Medium) -> str:
        return "ganline sample -n 64 --seed 7 -o grid.png"

    def summary(self, metrics: Mapping[str, Any]) -> list[str]:
        numbers = super().summary(metrics)
        modes, total = metrics.get("modes_covered"), metrics.get("modes_total")
        return [*numbers, f"modes {modes}/{total}"] if isinstance(modes, int) and total else numbers

    def evaluate_exported(self, model: "ExportedModel", case: "EvaluationCase") -> "ExportedEvaluation":
        from pipeline.tasks.generate.exported_samples import evaluate_exported

        return evaluate_exported(model, case)

    def show_exported(self, model: "ExportedModel", case: "EvaluationCase") -> "Items":
        from pipeline.tasks.generate.exported_samples import draw_some

        return draw_some(model, case)
