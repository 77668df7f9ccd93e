"""The classes in the report of a generator: the numbers and the samples of each, the worst class first."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float32Array
from pipeline.evaluation.measures.class_fid import MOST
from pipeline.evaluation.measures.prdc import K, prdc
from pipeline.evaluation.wording import percent
from pipeline.measure import Measure
from pipeline.tasks.generate.measures.classes import RARE
from pipeline.tasks.generate.measures.registry import MEASURES
from pipeline.tasks.generate.report_pictures import ROW, ReportPictures
from pipeline.tasks.generate.sample_set import SampleSet

LISTED = 200
"""Classes in the report at most."""

PICTURED = 24
"""Classes with pictures at most."""

OPEN = 10
"""Classes whose pictures are shown without a click."""

DRAWS, LARGEST_HALF = 4, 250
"""Draws of the recall of a class, and real items on either side at most."""


@dataclass(frozen=True)
class ClassNumbers:
    """The numbers of one class; None for those that could not be measured.

    Attributes:
        number: Position of the class.
        count: Samples that were asked for, or are seen as the class.
        share: Share of the samples that are seen as the class.
        real_share: The same of real items.
        presence: Fraction of its share that the class has, in excess of slips of the classifier.
        rare: The share is not low by chance.
        agreement: Share of its samples that are seen as the class, relative to real items.
        fid_ratio: Fréchet distance to real items of the class, relative to that between real items.
        recall: Share of its real items among samples, relative to real items.
        diversity: Diversity relative to real items.
    """

    number: int
    name: str
    count: int
    share: float
    real_share: float
    presence: float | None = None
    rare: bool = False
    agreement: float | None = None
    fid_ratio: float | None = None
    recall: float | None = None
    diversity: float | None = None

    @property
    def deficit(self) -> float:
        """How bad the class is: 0 is as good as real items, 1 is at the bound of the gate for such a number."""
        numbers = [
            (self.presence if self.rare else None, "smallest_class_share"),
            (self.agreement, "label_agreement_worst"),
            (self.fid_ratio, "class_fid_ratio_worst"),
            (self.recall, "recall"),
            (self.diversity, "vendi_ratio"),
        ]
        return max((deficit(value, MEASURES[name]) for value, name in numbers if value is not None), default=0.0)


@dataclass(frozen=True)
class ClassBlock:
    """One class in the report.

    Attributes:
        words: The numbers as text, by name.
        real, fake: Shares in percent of the largest share.
        bad: A number is beyond the bound of the gate.
        picture: Samples above real items as PNG; None without one.
        shown: Whether the picture is visible without a click.
    """

    name: str
    words: dict[str, str]
    real: float
    fake: float
    bad: bool
    picture: bytes | None
    shown: bool


def deficit(value: float, measure: Measure[SampleSet]) -> float:
    """Return how far a value is on the way from 1, that of real items, to the default bound of a measure."""
    bounds = measure.bounds(measure.bound)
    end = bounds.high if bounds.low is None else bounds.low
    assert end is not None
    return (value - 1.0) / (end - 1.0)


def measure_classes(data: SampleSet) -> list[ClassNumbers]:
    """Return the numbers of the classes, the worst first; empty without a classifier or samples."""
    modes, predicted, agreement = data.modes, data.predicted, data.agreement
    if modes is None or predicted is None:
        return []
    labels = predicted if data.labels is None else data.labels
    real, classes = data.real, data.real.classes
    distances = {one.name: one.fid_ratio for one in data.class_distances}
    diversity = dict(data.class_diversity)
    relative = np.full(len(classes), np.nan) if agreement is None else agreement.relative
    numbers = [
        ClassNumbers(
            number=c,
            name=name,
            count=int(np.count_nonzero(labels == c)),
            share=float(modes.fake[c] / max(int(modes.fake.sum()), 1)),
            real_share=float(modes.shares[c]),
            presence=None if np.isnan(modes.presence[c]) else max(float(modes.presence[c]), 0.0),
            rare=bool(modes.deviations[c] < RARE),
            agreement=None if np.isnan(relative[c]) else float(relative[c]),
            fid_ratio=distances.get(name),
            recall=class_recall(data.features[labels == c], real.pool[real.pool_labels == c], data.seed)
            if c < MOST
            else None,
            diversity=diversity.get(name),
        )
        for c, name in enumerate(classes)
        if modes.real[c] or modes.fake[c]
    ]
    return sorted(numbers, key=lambda one: -one.deficit)


def class_recall(fake: Float32Array, real: Float32Array, seed: int) -> float | None:
    """Return the recall of samples over that of real items, at one size; None with too few items.

    Args:
        fake: Features of samples of the class, [n, d].
        real: Features of real items of the class, [m, d].
        seed: Seed of the draws.
    """
    n = min(len(fake), len(real) // 2, LARGEST_HALF)
    if n <= 2 * K:
        return None
    rng, found = np.random.default_rng(seed), []
    for _ in range(DRAWS):
        order, chosen = rng.permutation(len(real)), rng.choice(len(fake), n, replace=False)
        half, other = real[order[:n]], real[order[n : 2 * n]]
        found.append([prdc(fake[chosen], half).recall, prdc(other, half).recall])
    ours, theirs = np.mean(found, axis=0)
    return float(ours / theirs) if theirs > 0 else None


def draw_classes(data: SampleSet, draw: ReportPictures) -> list[ClassBlock]:
    """Return the classes with numbers and pictures, the worst first; of many classes the worst."""
    numbers = measure_classes(data)
    widest = max((max(one.share, one.real_share) for one in numbers), default=1.0)
    return [
        build_block(one, widest, class_picture(data, one.number, draw) if place < PICTURED else None, place)
        for place, one in enumerate(numbers[:LISTED])
    ]


def class_picture(data: SampleSet, c: int, draw: ReportPictures) -> bytes | None:
    """Draw samples of a class above real items of it; None if there are neither."""
    test, labels = data.real.test, data.predicted if data.labels is None else data.labels
    mine, theirs = np.flatnonzero(labels == c)[:ROW], np.flatnonzero(test.labels == c)[:ROW]
    return draw.above(data.images[mine], test.images(theirs)) if len(mine) or len(theirs) else None


def build_block(one: ClassNumbers, widest: float, picture: bytes | None, place: int) -> ClassBlock:
    """Format the numbers of a class."""
    words = {
        "samples": f"{one.count:,}",
        "share": f"{percent(one.share)} (real {percent(one.real_share)})",
        "seen as asked": None if one.agreement is None else percent(one.agreement),
        "FID ratio": None if one.fid_ratio is None else f"{one.fid_ratio:.3g}",
        "recall": None if one.recall is None else f"{one.recall:.3g}",
        "diversity": None if one.diversity is None else f"{one.diversity:.3g}",
    }
    return ClassBlock(
        one.name,
        {name: text for name, text in words.items() if text is not None},
        round(100 * one.real_share / widest, 1),
        round(100 * one.share / widest, 1),
        one.deficit > 1,
        picture,
        place < OPEN,
    )
