"""Samples that no real image is like, however good the others are."""

from typing import TYPE_CHECKING

from pipeline.evaluation.wording import join_names, percent
from pipeline.measure import Bounds, Measurement
from pipeline.tasks.generate.measures.registry import measure
from pipeline.tasks.generate.symptoms import BROKEN_SAMPLES, SOME, SOME_OUTLIERS, TURNED, UNREAL

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet

NAMED = 5
"""Samples that a reason names."""
BLENDED = 0.05
"""Share of blends beyond chance from which they are a failure."""
REPEATED = 0.05
"""Share of near-duplicates beyond chance above which samples are a few images over and over."""
TOO_FEW = "fewer than 100 test images"


def name_worst_samples(data: "SampleSet", bounds: Bounds) -> str:
    """Return the evidence that samples are unlike all real images, with the worst of them."""
    found = data.outliers
    assert found is not None
    rare = found.rare
    names = join_names([f"{position:,}" for position in found.order[:NAMED]])
    return (
        f"{percent(rare.number or 0.0)} of the samples are farther from any training image than 99 % of the test "
        f"images, {percent(found.far)} much farther than all of these; the worst are the samples {names}"
    )


def is_varied(data: "SampleSet", bounds: Bounds) -> bool:
    """Return whether samples are not a few images over and over, of which one alone can make a share large."""
    found = data.manifold.get("near_duplicates", Measurement(None))
    return (found.number or 0.0) - (found.null or 0.0) <= REPEATED


def describe_turned(data: "SampleSet", bounds: Bounds) -> str:
    """Return the evidence that samples are mirrored or turned, with what was done to most of them."""
    found = data.turned
    assert found is not None
    done = join_names([f"{percent(share)} are {words}" for share, words in found.words])
    names = join_names([f"{position:,}" for position in found.examples[:NAMED]])
    return (
        f"{percent(found.share.number or 0.0)} of the samples look mirrored or turned "
        f"({percent(found.share.null or 0.0)} of the test images): {done}, such as the samples {names}"
    )


@measure(
    explanation="share of samples that look mirrored or turned more than 99 % of the test images, beyond their 1 %: "
    "they would be nearer to training images if they were turned back",
    kind="excess",
    better="low",
    bound=SOME,
    limits={"ge": 0, "le": 1},
    missing=TOO_FEW,
    needs="symmetries",
    group="fidelity",
    symptoms=(TURNED,),
    confirm=is_varied,
    evidence=describe_turned,
)
def turned(data: "SampleSet") -> Measurement:
    return data.turned.share if data.turned else Measurement(None)


@measure(
    explanation="share of samples farther from any training image than 99 % of the test images, beyond their 1 %",
    kind="excess",
    better="low",
    bound=SOME,
    limits={"ge": 0, "le": 1},
    missing=TOO_FEW,
    group="fidelity",
    symptoms=(BROKEN_SAMPLES, SOME_OUTLIERS),
    evidence=name_worst_samples,
)
def outliers(data: "SampleSet") -> Measurement:
    return data.outliers.rare if data.outliers else Measurement(None)


@measure(
    explanation="share of samples much farther from any training image than all test images",
    better="low",
    bound=0.005,
    limits={"ge": 0, "le": 1},
    missing=TOO_FEW,
    group="fidelity",
    symptoms=(BROKEN_SAMPLES, SOME_OUTLIERS),
    evidence=name_worst_samples,
    ideal="0",
)
def far_outliers(data: "SampleSet") -> float | None:
    return data.outliers.far if data.outliers else None


@measure(
    explanation="share of samples that look like the mean of two training images more than 99 % of the test images, "
    "beyond their 1 %",
    kind="excess",
    better="low",
    bound=BLENDED,
    limits={"ge": 0, "le": 1},
    missing=TOO_FEW,
    group="fidelity",
    symptoms=(UNREAL,),
    confirm=is_varied,
)
def blends(data: "SampleSet") -> Measurement:
    return data.blends.share if data.blends else Measurement(None)
