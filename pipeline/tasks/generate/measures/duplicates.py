"""Exact repeats among the samples."""

from typing import TYPE_CHECKING

from pipeline.evaluation.wording import percent
from pipeline.measure import Bounds, Measurement
from pipeline.tasks.generate.measures.registry import measure
from pipeline.tasks.generate.symptoms import COLLAPSE, REPEATS

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet


def count_repeats(data: "SampleSet", bounds: Bounds) -> str:
    """Return the evidence that samples repeat each other."""
    distinct, count = data.distinct or 0, len(data)
    return (
        f"only {distinct:,} of {count:,} samples are distinct images "
        f"({percent(1 - distinct / count)} are exact repeats; at most {percent(bounds.high or 0.0)} may be)"
    )


@measure(
    explanation="share of samples that repeat another pixel for pixel",
    better="low",
    bound=0.005,
    limits={"ge": 0, "le": 1},
    group="repeats",
    symptoms=(COLLAPSE, REPEATS),
    evidence=count_repeats,
    headline=True,
)
def duplicate_rate(data: "SampleSet") -> Measurement:
    if data.distinct is None:
        return Measurement(None, 0.0)
    return Measurement(1.0 - data.distinct / len(data), 0.0)


@measure(explanation="samples that differ from each other", group="repeats", reported=False)
def distinct_samples(data: "SampleSet") -> Measurement:
    return Measurement(data.distinct, len(data))
