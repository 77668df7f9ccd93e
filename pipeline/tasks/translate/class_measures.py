"""Measures of translations between classes: whether they show the class that was asked for, and follow an example."""

from typing import TYPE_CHECKING

from pipeline.measure import Measure, Measurement
from pipeline.tasks.translate.symptoms import COPIED_EXAMPLE, COPIED_INPUT, DEPENDS, WRONG_CLASS

if TYPE_CHECKING:
    from pipeline.tasks.translate.direction_result import DirectionResult

RECOGNISED = 0.8
"""Least accuracy relative to real images. Halves of real images differ by their chance alone: a few per cent."""


def target_accuracy(data: "DirectionResult") -> Measurement:
    """Return the share of translations recognised as the target, relative to that of real images."""
    seen = data.recognition
    return seen.relative(seen.translated, seen.count) if seen else Measurement(None)


def example_accuracy(data: "DirectionResult") -> Measurement:
    """Return the share of translations in the style of an example recognised as the target, relative to real images."""
    seen = data.recognition
    return seen.relative(seen.by_example, seen.examples) if seen else Measurement(None)


CLASS_TESTS: "tuple[Measure[DirectionResult], ...]" = (
    Measure(
        "target_accuracy",
        target_accuracy,
        "share of translations that an independent classifier, trained on real images, assigns to the target class, "
        "relative to its share of real ones",
        better="high",
        bound=RECOGNISED,
        limits={"ge": 0},
        needs="recognition",
        missing="held-out images of the target class that the classifier recognises",
        group="fidelity",
        symptoms=(COPIED_INPUT, WRONG_CLASS),
        headline=True,
        place=2,
    ),
    Measure(
        "example_accuracy",
        example_accuracy,
        "the same of translations in the style of a held-out image of the target class; with examples",
        better="high",
        bound=RECOGNISED,
        limits={"ge": 0},
        needs="examples",
        missing="a classifier, or held-out images of the target class that it recognises",
        group="fidelity",
        symptoms=(COPIED_INPUT, WRONG_CLASS),
    ),
    Measure(
        "example_dependence",
        lambda data: Measurement(data.example_dependence, 1.0),
        "difference between translations of different inputs in the style of the same example, relative to real images "
        "of the target class",
        better="high",
        bound=DEPENDS,
        limits={"ge": 0},
        needs="examples",
        missing="images that do not differ",
        symptoms=(COPIED_EXAMPLE,),
    ),
)
CLASS_NUMBERS: "tuple[Measure[DirectionResult], ...]" = (
    Measure(
        "target_share",
        lambda data: (
            Measurement(data.recognition.translated, data.recognition.real) if data.recognition else Measurement(None)
        ),
        "share of translations that the classifier assigns to the target class; next to it, of real ones",
        needs="recognition",
    ),
    Measure(
        "input_share",
        lambda data: data.recognition.inputs if data.recognition else None,
        "share of the untranslated inputs that the classifier assigns to the target class",
        needs="recognition",
        reported=False,
    ),
)
