"""How well the self-supervised features of data without labels see what an item shows."""

from typing import TYPE_CHECKING

from pipeline.tasks.generate.measures.registry import measure

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet


@measure(
    explanation="share of held-out items that self-supervised features recognise in a distorted view",
    ideal="1",
)
def recognition(data: "SampleSet") -> float | None:
    return data.real.recognition
