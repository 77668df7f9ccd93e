"""Classes of the samples as a classifier sees them: which are there, and in which shares."""

from typing import TYPE_CHECKING

from pipeline.evaluation.measures.modes import Modes
from pipeline.evaluation.wording import join_names, percent
from pipeline.measure import Bounds, Measurement, PromotionBound
from pipeline.tasks.generate.measures.registry import measure
from pipeline.tasks.generate.symptoms import DROPPED_CLASSES, SINGLE_CLASS, UNBALANCED_CLASSES

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet

RARE = -4.5
"""z below which a class is not rare by chance: with ten classes and one evaluation a week, once in centuries."""


def missing_classes(data: "SampleSet", bounds: Bounds) -> str:
    """Return the evidence that classes are missing, with expected and observed counts."""
    modes, classes = modes_of(data), data.real.classes
    missing = modes.missing
    counts, expected, total = modes.fake[missing], modes.expected[missing], int(modes.fake.sum())
    if len(missing) == modes.total - 1:
        share = percent(float(modes.fake.max()) / total)
        return f"{share} of the samples show class {classes[int(modes.fake.argmax())]} and every other class is missing"
    slips = join_names([f"{n:,.0f}" for n in modes.slips[missing] * total])
    by_slips = f", {slips} by slips of the classifier alone" if counts.any() else ""
    names, seen = join_names([classes[c] for c in missing]), join_names([f"{n:,}" for n in counts])
    wanted, them = join_names([f"{n:,.0f}" for n in expected]), "it" if len(missing) == 1 else "them"
    return f"{names} ({seen} of {total:,} samples show {them}; {wanted} expected{by_slips})"


@measure(
    explanation="classes that appear with at least a quarter of their share",
    kind="relative",
    better="high",
    bound=1.0,
    limits={"ge": 0, "le": 1},
    raw=True,
    needs="classes",
    group="classes",
    symptoms=(SINGLE_CLASS, DROPPED_CLASSES),
    evidence=missing_classes,
    promotion_floor=PromotionBound(1.0, {"ge": 0, "le": 1}, over="modes_total"),
)
def modes_covered(data: "SampleSet") -> Measurement:
    modes = data.modes
    if modes is None:
        return Measurement(None)
    return Measurement(modes.covered, modes.total, skip=data.unreliable_classes)


@measure(explanation="classes that the real images show", reported=False)
def modes_total(data: "SampleSet") -> int:
    return data.modes.total if data.modes else 0


def rare_classes(data: "SampleSet", bounds: Bounds) -> list[int]:
    """Return the classes below the bound whose share is not low by chance."""
    modes = modes_of(data)
    return [c for c in modes.classes_below(bounds.low or 0.0) if modes.deviations[c] < RARE]


def name_rare_classes(data: "SampleSet", bounds: Bounds) -> str:
    """Return the evidence that classes are rare."""
    names = join_names([data.real.classes[c] for c in rare_classes(data, bounds)])
    return f"{names} appear at less than {percent(bounds.low or 0.0)} of the share of real images"


@measure(
    explanation="smallest share of a class over the share it should have",
    better="high",
    bound=0.6,
    limits={"ge": 0, "le": 1},
    missing="the classifier cannot tell any class",
    needs="classes",
    group="classes",
    symptoms=(UNBALANCED_CLASSES,),
    evidence=name_rare_classes,
    confirm=lambda data, bounds: bool(rare_classes(data, bounds)),
)
def smallest_class_share(data: "SampleSet") -> Measurement:
    value = data.modes.smallest_share if data.modes else None
    return Measurement(value, 1.0, skip=data.unreliable_classes)


def describe_imbalance(data: "SampleSet", bounds: Bounds) -> str:
    """Return the evidence that the class histogram differs, with the classes that differ most."""
    modes, classes = modes_of(data), data.real.classes
    fake, real = modes.fake / modes.fake.sum(), modes.real / modes.real.sum()
    least, most = int((fake - real).argmin()), int((fake - real).argmax())
    bound = (bounds.high or 0.0) + data.modes_null[0]
    return (
        f"the generated class histogram is {modes.kl:.3g} nats from the real one (KL; at most {bound:.3g}); "
        f"most in excess is {classes[most]} ({percent(fake[most])} against {percent(real[most])}), "
        f"most wanting {classes[least]} ({percent(fake[least])} against {percent(real[least])})"
    )


@measure(
    explanation="KL divergence of the generated class histogram from the real one (nats), beyond chance",
    kind="excess",
    better="low",
    bound=0.05,
    limits={"ge": 0},
    raw=True,
    needs="classes",
    group="classes",
    symptoms=(UNBALANCED_CLASSES,),
    evidence=describe_imbalance,
    headline=True,
)
def mode_kl(data: "SampleSet") -> Measurement:
    if data.modes is None:
        return Measurement(None)
    return Measurement(data.modes.kl, *data.modes_null, skip=data.unreliable_classes)


@measure(explanation="share of real test images that the classifier gets right", needs="classes")
def classifier_accuracy(data: "SampleSet") -> float | None:
    return data.real.classifier_accuracy


def modes_of(data: "SampleSet") -> Modes:
    """Return the class histograms of data that has them."""
    assert data.modes is not None
    return data.modes
