"""Contrast of the samples: the example of the developer documentation."""

from typing import TYPE_CHECKING

from pipeline.measure import Symptom
from pipeline.tasks.generate.measures.registry import measure

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet


@measure(
    explanation="standard deviation of the pixels",
    better="high",
    bound=0.2,
    limits={"ge": 0},
    symptoms=(Symptom("flat samples", 15, "Train longer", explains=frozenset({"fidelity", "appearance"})),),
    headline=True,
)
def pixel_spread(data: "SampleSet") -> float:
    """Return the standard deviation of all pixels, 0 to 0.5."""
    return float(data.images.std() / 255)
