"""Distances between the features of samples and of held-out real images."""

from typing import TYPE_CHECKING

from pipeline.measure import Bounds, Measurement, PromotionBound
from pipeline.tasks.generate.measures.registry import measure

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet


def compare_with_null(data: "SampleSet", bounds: Bounds) -> str:
    """Return the evidence that the distance exceeds the one between real images."""
    equal = data.equal_size
    assert equal is not None
    return (
        f"the Fréchet distance to held-out real images is {equal.value or 0.0:.1f} times what real images show among "
        f"themselves at the same size ({equal.generated:.3g} against {equal.null:.3g}; at most {bounds.high:g} times)"
    )


@measure(
    explanation="Fréchet distance over that between two sets of held-out real images, at one size",
    better="low",
    bound=3.0,
    limits={"gt": 0},
    missing="too few real images for two sets of them, or they do not differ at all",
    group="fidelity",
    aspect="fidelity",
    evidence=compare_with_null,
    headline=True,
    place=1,
    promotion_limit=PromotionBound(3.0, {"gt": 0}),
)
def fid_ratio(data: "SampleSet") -> Measurement:
    equal = data.equal_size
    interval = equal.interval.rescale(1 / equal.null) if equal and equal.interval and equal.value is not None else None
    return Measurement(equal.value if equal else None, 1.0, interval=interval)


@measure(explanation="Fréchet distance at the size of fid_ratio", reported=False)
def fid_equal(data: "SampleSet") -> float | None:
    return data.equal_size.generated if data.equal_size else None


@measure(explanation="Fréchet distance between two sets of real images", reported=False)
def fid_null(data: "SampleSet") -> float | None:
    return data.equal_size.null if data.equal_size else None


@measure(explanation="standard deviation of fid_null over the draws", reported=False)
def fid_null_sd(data: "SampleSet") -> float | None:
    return data.equal_size.spread if data.equal_size else None


@measure(explanation="images on either side of fid_ratio", reported=False)
def n_null(data: "SampleSet") -> int | None:
    return data.equal_size.n if data.equal_size else None


@measure(
    explanation="Fréchet distance of all samples to the test images",
    better="low",
    limits={"gt": 0},
    missing="fewer than 2 finite samples",
    group="fidelity",
    evidence=lambda data, bounds: (
        f"the Fréchet distance is {data.frechet_distance or 0.0:.4g}, above evaluate.gate.fid {bounds.high:g}"
    ),
    headline=True,
    promotion_limit=PromotionBound(limits={"gt": 0}),
)
def fid(data: "SampleSet") -> float | None:
    return data.frechet_distance


@measure(explanation="Fréchet distance extrapolated to infinitely many samples and real images", group="fidelity")
def fid_infinity(data: "SampleSet") -> Measurement:
    from pipeline.evaluation.measures.fid_infinity import fid_infinity as extrapolate

    return extrapolate(data.features, data.real.pool, data.seed, data.real.cache, data.real.key)


@measure(
    explanation="Fréchet distance of all samples to the reference statistics that evaluate.reference names",
    group="fidelity",
    reported=False,
)
def fd_reference(data: "SampleSet") -> float | None:
    return data.named_distance


@measure(
    explanation="CMMD (Jayasumana 2024): kernel distance, times 1000, of features scaled to unit length; about 0 for a "
    "perfect generator",
    group="fidelity",
)
def cmmd(data: "SampleSet") -> Measurement:
    from pipeline.evaluation.measures.cmmd import measure_cmmd

    return measure_cmmd(data.features, data.real.pool, data.seed, data.real.cache, data.real.key)


@measure(
    explanation="kernel distance; about 0 for a perfect generator at any size",
    group="fidelity",
    ideal="0",
    headline=True,
    promotion_limit=PromotionBound(limits={"gt": 0}),
)
def kid(data: "SampleSet") -> float | None:
    from pipeline.evaluation.measures.kid import kid as kernel_distance

    return kernel_distance(data.features, data.real.reference.real, data.seed) if len(data) >= 2 else None
