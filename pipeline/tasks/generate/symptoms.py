"""Failure modes of a generator, by which failed tests are named; the most specific have the lowest priority numbers.

A medium adds its own between 20 and 30: what is wrong with the look of the samples.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.measure import Measurement, Symptom
from pipeline.media.declared_measures import number, ratio

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet

STABILITY = (
    "Try model.objective relativistic with model.penalties r1 and r2, stabilisers.minibatch_std or packing, "
    "or a larger train.batch_size"
)
COLLAPSED = 0.01
"""Fewer distinct samples than this share are a complete collapse."""


def is_collapsed(measurements: Mapping[str, Measurement]) -> bool:
    """Return whether hardly two samples differ; of a few samples, whether all are equal."""
    found = measurements["distinct_samples"]
    return found.number is not None and found.number <= max(1, int(COLLAPSED * (found.null or 0)))


SOME = 0.03
"""Share of altered samples, or of outliers, beyond chance from which they are a failure."""
MOST_ARE_UNREAL = 0.75
"""With more outliers than this share, the few others say nothing; other symptoms then say what is wrong."""


def is_part(measurements: Mapping[str, Measurement]) -> bool:
    """Return whether most samples are like real ones."""
    return number(measurements, "outliers") <= MOST_ARE_UNREAL


COLLAPSE = Symptom(
    "complete mode collapse",
    10,
    STABILITY,
    explains=frozenset({"fidelity", "appearance", "copying", "classes", "conditions"}),
    when=is_collapsed,
)
REPEATS = Symptom(
    "repeated samples",
    11,
    STABILITY,
    explains=frozenset({"near_duplicates", "class_near_duplicates", "density", "appearance"}),
)


def without_turned(data: "SampleSet") -> "SampleSet":
    """Return the samples that do not look turned in the way that is most certain, of those that were scored."""
    found = data.altered
    assert found is not None
    names = data.altered_names("turned")
    return data.select(found.without(next(name for name in found.shares if name in names)))


TURNED = Symptom(
    "turned samples",
    15,
    "Set train.flips: false, and look at how training images are read and augmented (model.stabilisers.augment)",
    undo=without_turned,
    alone=frozenset({"appearance"}),
)
# A fault of all samples, such as sharpening, may make them look turned: then it comes first.
ALSO_TURNED = replace(TURNED, priority=34, undo=None, alone=frozenset())


def without_outliers(data: "SampleSet") -> "SampleSet":
    """Return the samples that are as typical as real ones."""
    assert data.outliers is not None
    return data.select(data.outliers.typical)


def only_outliers(data: "SampleSet") -> "SampleSet":
    """Return the samples that are less typical than real ones."""
    assert data.outliers is not None
    return data.select(data.outliers.unusual)


BROKEN_SAMPLES = Symptom(
    "broken samples",
    15,
    "Some samples are unlike any real image; the report shows the worst. Train longer (train.total_images), or raise "
    "train.ema_half_life",
    when=is_part,
    undo=without_outliers,
    alone=frozenset({"appearance", "fidelity"}),
    only=only_outliers,
)
# Next to a fault of all samples, which makes some of them outliers, these are a reason only if nothing else is.
SOME_OUTLIERS = replace(
    BROKEN_SAMPLES, priority=33, undo=None, alone=frozenset(), only=None, explains=frozenset({"fidelity"})
)


def are_outliers_recoloured(measurements: Mapping[str, Measurement]) -> bool:
    """Return whether at least as many samples have other colours as are unlike real ones: these are the same."""
    return number(measurements, "recoloured") >= number(measurements, "outliers")


RECOLOURED = Symptom(
    "wrong colours",
    26,
    "Look at how training images are read (data.channels) and augmented (model.stabilisers.augment), and train longer "
    "(train.total_images)",
    explains=frozenset({"fidelity", "appearance"}),
)
RECOLOURED_OUTLIERS = replace(
    RECOLOURED,
    priority=14,
    explains=frozenset({"fidelity", "appearance", "classes", "conditions"}),
    when=are_outliers_recoloured,
)
# Unrecognisable samples also fail the class tests, so this comes first; a lost class leaves precision as it is.
UNREAL = Symptom(
    "unreal samples",
    30,
    "Samples lie between real ones: train longer (train.total_images), with wider networks, "
    "or a smaller train.ema_half_life",
    explains=frozenset({"fidelity", "appearance", "classes", "conditions"}),
)
SINGLE_CLASS = Symptom(
    "complete mode collapse",
    40,
    f"Try training longer. {STABILITY}",
    explains=frozenset({"classes", "conditions", "fidelity"}),
    when=lambda measurements: measurements["modes_covered"].value == 1,
)
DROPPED_CLASSES = Symptom(
    "dropped classes",
    41,
    f"Try training longer. {STABILITY}",
    explains=frozenset({"classes", "conditions", "fidelity"}),
)
WRONG_CLASSES = Symptom(
    "wrong classes",
    45,
    "The generator ignores its labels or confuses them: check the labels of the data, train longer, "
    "or set model.conditioning to projection",
    explains=frozenset({"conditions", "class_fid_ratio_worst"}),
)
WRONG_TEXT = Symptom(
    "text ignored",
    46,
    "Samples do not show what their captions say: check the captions of the data, train longer (train.total_images), "
    "or train the text encoder longer (model.text_steps)",
    explains=frozenset({"conditions"}),
)
REAL_LOOKING = 0.25
"""Precision, relative to real images, below which samples are too blurred or pale to be copies of an image."""
COPIED = 0.02
"""Share of copies beyond chance from which they are a failure."""
ALSO_BY = ("copies_features", "copies_augmented")


def looks_real(measurements: Mapping[str, Measurement]) -> bool:
    """Return whether some samples look like real images, as copies do; means of many images resemble all a little."""
    found = measurements["precision"]
    return found.number is None or found.number >= REAL_LOOKING * (found.null or 0.0)


def are_copies(measurements: Mapping[str, Measurement]) -> bool:
    """Return whether samples that look real are copies by more than their pixels: pale images are near many others."""
    pixels, features, augmented = (
        excess(measurements.get(name, Measurement(None))) for name in ("copies_pixels", *ALSO_BY)
    )
    only_pixels = pixels is not None and pixels > COPIED and max(features or 0.0, augmented or 0.0) <= COPIED
    return looks_real(measurements) and not (only_pixels and augmented is not None)


def excess(found: Measurement) -> float | None:
    """Return how much a value is above its null; None without a value."""
    return None if found.number is None else found.number - (found.null or 0.0)


MEMORISATION = Symptom(
    "memorisation",
    12,
    "Samples repeat training images: give more data, stabilisers.augment (diffaugment or ada), "
    "a smaller discriminator, or stop earlier",
    explains=frozenset({"copying"}),
    when=are_copies,
)
PARTLY_MEMORISED = replace(MEMORISATION, priority=50, when=None)
INTRA_CLASS_COLLAPSE = Symptom("intra-class collapse", 60, STABILITY, explains=frozenset({"fidelity", "appearance"}))
MOSTLY_REPEATED = 0.5
"""Share of near-duplicates from which a few images stand for all; classes that they happen not to show come second."""


def is_mostly_repeated(measurements: Mapping[str, Measurement]) -> bool:
    """Return whether most samples are near-duplicates of others."""
    return number(measurements, "near_duplicates") >= MOSTLY_REPEATED


FEW_IMAGES = replace(INTRA_CLASS_COLLAPSE, priority=39, when=is_mostly_repeated)
CLASS_COLLAPSE = replace(INTRA_CLASS_COLLAPSE, priority=61, explains=frozenset({"fidelity"}))
TRUNCATED = Symptom(
    "low diversity within classes",
    65,
    f"Samples show only what is typical of a class: sample without truncation (psi 1). {STABILITY}",
    explains=frozenset({"fidelity", "appearance"}),
)
BEYOND_CONTRAST = 0.9
"""Variance within classes, over the square of the contrast, below which samples lack more than contrast."""
SAME_BRIGHTNESS = 0.1
"""Difference of the brightness from that of real images, relative to it, up to which nothing was made brighter."""


def is_beyond_contrast(measurements: Mapping[str, Measurement]) -> bool:
    """Return whether samples differ less than real ones of the same contrast do, and not because they are blended.

    Brightness changes both.
    """
    if number(measurements, "unreal") > SOME or abs(ratio(measurements, "brightness") - 1) >= SAME_BRIGHTNESS:
        return False
    relative = number(measurements, "class_spread") / (measurements["class_spread"].null or 1.0)
    return relative < BEYOND_CONTRAST * ratio(measurements, "contrast") ** 2


# What is typical of a class in pixels has less contrast, too. Then its contrast does not explain what is lacking.
TYPICAL_ONLY = replace(TRUNCATED, priority=24, when=is_beyond_contrast)
TRUNCATED_TEXT = replace(TRUNCATED, name="low diversity within captions", priority=66)
# A few repeated images show the classes in shares of their own; without repeats the shares are the failure.
UNBALANCED_CLASSES = Symptom(
    "unbalanced classes",
    70,
    "Try training longer or a larger train.batch_size",
    explains=frozenset({"classes", "jsd", "fid_ratio", "fid", "vendi_ratio", "coverage"}),
)
LOW_DIVERSITY = Symptom(
    "low diversity", 80, STABILITY, explains=frozenset({"fidelity"}), causes=("recall", "vendi_ratio")
)
CROWDED = Symptom(
    "crowded samples",
    90,
    f"Samples crowd where real images are common, or stay away from them. {STABILITY}",
    explains=frozenset({"fidelity"}),
)
STANDS_OUT = 1.5
"""A class is poor if its Fréchet ratio is this multiple of the mean over the classes."""


def is_one_class(measurements: Mapping[str, Measurement]) -> bool:
    """Return whether one class is much further from real items than the others."""
    worst, mean = (measurements[f"class_fid_ratio_{name}"].number for name in ("worst", "mean"))
    return worst is not None and mean is not None and worst > STANDS_OUT * mean


POOR_CLASS = Symptom(
    "poor class",
    95,
    "Give more data of the class, train longer, or use a wider generator",
    when=is_one_class,
)


def is_unreal_class(measurements: Mapping[str, Measurement]) -> bool:
    """Return whether the samples that are unlike real ones make one class poor; samples of a wrong class are real."""
    found = measurements.get("outliers", Measurement(None))
    return is_one_class(measurements) and (found.number or 0.0) > (found.null or 0.0) + SOME


SHOWN = 0.6
"""Share of the samples of a class that show it, relative to real images, below which they are of a wrong class."""


def is_only_poor(measurements: Mapping[str, Measurement]) -> bool:
    """Return whether one class is poor, and shows what was asked for."""
    shown = measurements["label_agreement_worst"].number
    return is_one_class(measurements) and (shown is None or shown >= SHOWN)


def without_poorest_class(data: "SampleSet") -> "SampleSet":
    """Return the samples of the other classes than the one with the highest fid_ratio."""
    assert data.labels is not None
    poorest = max(data.class_distances, key=lambda one: one.fid_ratio or 0.0).name
    return data.select(np.flatnonzero(data.labels != list(data.real.classes).index(poorest)))


# The samples of a poor class may look unreal. If nothing else does, the class is what is wrong.
ONLY_POOR_CLASS = replace(
    POOR_CLASS,
    priority=29,
    when=is_only_poor,
    undo=without_poorest_class,
    alone=frozenset({"fidelity", "appearance", "classes", "conditions"}),
)
UNREAL_CLASS = replace(
    POOR_CLASS, priority=14, explains=frozenset({"fidelity", "classes", "conditions"}), when=is_unreal_class
)
LOW_FIDELITY = Symptom(
    "low fidelity or diversity",
    100,
    "Look at the samples: if they are bad train longer (train.total_images) or with wider networks; "
    "if they are good but alike, it is collapse",
)
"""Names what no other symptom explains."""
