"""Samples that no real image is like, however good the others are."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline.evaluation.wording import join_names, percent
from pipeline.measure import Bounds, Measurement
from pipeline.media.alteration import Group
from pipeline.tasks.generate.measures.registry import measure
from pipeline.tasks.generate.symptoms import (
    ALSO_TURNED,
    BROKEN_SAMPLES,
    RECOLOURED,
    RECOLOURED_OUTLIERS,
    SOME,
    SOME_OUTLIERS,
    TURNED,
    UNREAL,
)

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet

NAMED = 5
"""Samples that a reason names."""
REPEATED = 0.05
"""Share of near-duplicates beyond chance above which samples are a few images over and over."""
TOO_FEW = "fewer than 100 test images"
UNUSUAL = 0.015
"""Share of samples beyond the 1 % of real images that are as unusual, from which they are a failure."""
SHARE: dict[str, Any] = {
    "kind": "excess",
    "better": "low",
    "bound": SOME,
    "limits": {"ge": 0, "le": 1},
    "missing": TOO_FEW,
    "group": "fidelity",
}
"""What the measures of a share of samples have in common."""


def name_worst_samples(data: "SampleSet", bounds: Bounds) -> str:
    """Return the evidence that samples are unlike all real images, with the worst of them."""
    found = data.outliers
    assert found is not None
    rare = found.rare
    names = join_names([f"{position:,}" for position in found.order[:NAMED]])
    return (
        f"{percent(rare.number or 0.0)} of the samples are farther from any other training image than 99 % of the real "
        f"images, {percent(found.far.number or 0.0)} much farther than 99.9 %; the worst are the samples {names}"
    )


def is_varied(data: "SampleSet", bounds: Bounds) -> bool:
    """Return whether samples are not a few images over and over, of which one alone can make a share large."""
    found = data.manifold.get("near_duplicates", Measurement(None))
    return (found.number or 0.0) - (found.null or 0.0) <= REPEATED


def share_of(data: "SampleSet", group: Group) -> Measurement:
    """Return the most certain share of samples that are altered in a way of one group."""
    return data.altered.share(data.altered_names(group)) if data.altered else Measurement(None)


def describe(group: Group) -> Callable[["SampleSet", Bounds], str]:
    """Return the evidence that samples are altered in a way of one group: what is seen, and in which samples."""

    def evidence(data: "SampleSet", bounds: Bounds) -> str:
        found, limit = data.altered, bounds.high or 0.0
        assert found is not None
        names = data.altered_names(group)
        shares = {name: one.number or 0.0 for name, one in found.shares.items() if name in names}
        first = next(iter(shares))
        seen = join_names([f"{percent(n)} look {name}" for name, n in shares.items() if n > limit or name == first])
        examples = join_names([f"{position:,}" for position in found.examples(first)[:NAMED]])
        return f"of the samples {seen} by the estimate of a classifier; the clearest are the samples {examples}"

    return evidence


@measure(
    explanation="largest share of samples that look mirrored, rotated or upside down, estimated by a classifier that "
    "learned to recognise turned training images",
    needs="turned",
    symptoms=(TURNED, ALSO_TURNED),
    confirm=is_varied,
    evidence=describe("turned"),
    **SHARE,
)
def turned(data: "SampleSet") -> Measurement:
    return share_of(data, "turned")


@measure(
    explanation="largest share of samples that look like two images in one, cut into exchanged quarters or inverted, "
    "estimated by a classifier that learned to recognise training images so altered",
    needs="unreal",
    symptoms=(UNREAL,),
    confirm=is_varied,
    evidence=describe("unreal"),
    **SHARE,
)
def unreal(data: "SampleSet") -> Measurement:
    return share_of(data, "unreal")


@measure(
    explanation="largest share of samples that look gray or as if red and blue were swapped, estimated by a classifier "
    "that learned to recognise training images so altered",
    needs="recoloured",
    symptoms=(RECOLOURED_OUTLIERS, RECOLOURED),
    confirm=is_varied,
    evidence=describe("recoloured"),
    **SHARE,
)
def recoloured(data: "SampleSet") -> Measurement:
    return share_of(data, "recoloured")


@measure(
    explanation="share of samples farther from any training image than 99 % of other real images, beyond their 1 %",
    symptoms=(BROKEN_SAMPLES, SOME_OUTLIERS),
    evidence=name_worst_samples,
    **(SHARE | {"bound": UNUSUAL}),
)
def outliers(data: "SampleSet") -> Measurement:
    return data.outliers.rare if data.outliers else Measurement(None)


@measure(
    explanation="share of samples much farther from any training image than 99.9 % of other real images",
    better="low",
    bound=0.005,
    limits={"ge": 0, "le": 1},
    missing=TOO_FEW,
    group="fidelity",
    symptoms=(BROKEN_SAMPLES, SOME_OUTLIERS),
    evidence=name_worst_samples,
    ideal="0",
)
def far_outliers(data: "SampleSet") -> Measurement:
    return data.outliers.far if data.outliers else Measurement(None)
