"""The classifier of a semi-supervised model, next to the same network trained on the same labels alone."""

from typing import TYPE_CHECKING

from pipeline.tasks.generate.measures.registry import measure

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet


@measure(explanation="share of test images that the trained discriminator classifies right", needs="semi-supervised")
def semi_supervised_accuracy(data: "SampleSet") -> float | None:
    return data.semi_supervised.accuracy if data.semi_supervised else None


@measure(
    explanation="the same of its network trained on the same labelled images alone",
    needs="semi-supervised",
)
def supervised_accuracy(data: "SampleSet") -> float | None:
    return data.semi_supervised.supervised if data.semi_supervised else None


@measure(explanation="labelled images that both were trained on", needs="semi-supervised")
def labels_used(data: "SampleSet") -> int | None:
    return data.semi_supervised.labels if data.semi_supervised else None
