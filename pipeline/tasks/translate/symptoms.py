"""Failure modes of a translation, by which failed tests are named; the most specific have the lowest priority numbers.

A medium adds its own between 10 and 35: what is wrong with the look of the translations.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.measure import Measurement, Symptom

if TYPE_CHECKING:
    from pipeline.tasks.translate.direction_result import DirectionResult

UNCHANGED = 2.0
"""8-bit levels below which a translation counts as a copy of its input."""

MOST_ARE_UNREAL = 0.5
"""With more outliers than this share, the translations as a whole are wrong, and other symptoms say how."""

DEPENDS = 0.25
"""Least dependence on the input, relative to real images, of translations that have not collapsed."""

LOOKS = frozenset({"appearance", "fidelity"})


def is_copy(found: Mapping[str, Measurement]) -> bool:
    """Return whether translations hardly differ from their inputs."""
    change = found["change"].number
    return change is not None and change < UNCHANGED


def is_collapse(found: Mapping[str, Measurement]) -> bool:
    """Return whether most translations repeat each other, or do not depend on their input."""
    dependence, repeats = (found[name].number for name in ("dependence", "repeats"))
    return (repeats or 0.0) >= MOST_ARE_UNREAL or (dependence is not None and dependence < DEPENDS)


def is_part(found: Mapping[str, Measurement]) -> bool:
    """Return whether most translations are like real images."""
    return (found["outliers"].number or 0.0) <= MOST_ARE_UNREAL


def without_outliers(data: "DirectionResult") -> "DirectionResult":
    """Return the translations that are as typical as real images."""
    assert data.outliers is not None
    return data.select(data.outliers.typical)


TIE = (
    "Raise the weight that ties a translation to its input (model.weights.cycle, cross_cycle or l1) relative to "
    "model.weights.adversarial, or lower train.learning_rate; then train again"
)
COLLAPSE = Symptom(
    "mode collapse",
    1,
    TIE,
    explains=LOOKS | {"cycle_ratio", "diversity_ratio"},
    causes=("dependence", "repeats"),
    when=is_collapse,
)
SOME_REPEATS = Symptom("mode collapse", 37, TIE, causes=("dependence", "repeats"))
"""A part of the translations repeat each other, which does not change how the others look."""
TRAIN_LONGER = (
    "Train longer (train.total_images) or with wider networks. If translations hardly differ from their inputs, lower "
    "the weights that tie them to the input (model.weights.cycle, identity or cross_cycle) relative to "
    "model.weights.adversarial"
)
COPIED_INPUT = Symptom("copies of the input", 2, TRAIN_LONGER, explains=LOOKS, causes=("fid_excess",), when=is_copy)
IGNORED_STYLE = Symptom(
    "styles without effect",
    6,
    "The generator ignores the style: raise model.weights.mode_seeking and latent (stargan: diversity), "
    "or train longer",
)
PATCHED = Symptom(
    "colour patches",
    44,
    "Some translations have patches of colours that their partners do not have. If inputs do not say their colours, "
    "train on more pairs like them, or longer (train.total_images)",
)
BROKEN_IMAGES = Symptom(
    "broken images",
    15,
    "Some translations are unlike any real image; the report shows the worst. Train longer (train.total_images), or "
    "raise train.ema_half_life",
    when=is_part,
    undo=without_outliers,
    alone=LOOKS,
)
UNREAL = Symptom("unreal images", 36, f"Translations are unlike any real image. {TRAIN_LONGER}", explains=LOOKS)
OFF_TARGET = Symptom("not like the target domain", 40, TRAIN_LONGER, explains=LOOKS)
WRONG_CLASS = Symptom(
    "not of the target class",
    41,
    "Translations look real but do not show the class that was asked for. Train longer (train.total_images), raise "
    "model.weights.adversarial, or lower the weights that tie translations to their input (model.weights.cycle)",
)
COPIED_EXAMPLE = Symptom(
    "copies of the example",
    5,
    "The style of an example carries its content as well: shorten it (model.style), or raise model.weights.cycle",
)
LOST_CONTENT = Symptom(
    "lost content",
    42,
    "What the input shows is lost on the way: raise model.weights.cycle or cross_cycle, or train longer",
)
FAR_FROM_PARTNER = Symptom(
    "no closer to the partner than the input",
    43,
    "Train longer, raise model.weights.l1, and check that partners belong together",
)

ADVICE = {
    "checkerboard artefacts": "Strided transposed convolutions leave them, and longer training removes them: raise "
    "train.total_images, model.generator_channels or train.ema_half_life",
}
"""What to try against failure modes of a medium, by name, where the medium's own advice is about other models."""
