"""Copies of training images: samples next to held-out images that were never trained on."""

from typing import TYPE_CHECKING, Any

from pipeline.measure import Measurement
from pipeline.tasks.generate.measures.registry import measure
from pipeline.tasks.generate.symptoms import COPIED, MEMORISATION, PARTLY_MEMORISED

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet


COPYING: dict[str, Any] = {"group": "copying", "aspect": "memorisation", "symptoms": (MEMORISATION, PARTLY_MEMORISED)}
SHARE: dict[str, Any] = {
    "kind": "excess",
    "raw": True,
    "better": "low",
    "bound": COPIED,
    "setting": "copies",
    "limits": {"ge": 0, "le": 1},
    **COPYING,
}
"""What the measures of the share of copies have in common."""


def from_copies(data: "SampleSet", name: str) -> Measurement:
    return data.copies.get(name, Measurement(None))


@measure(
    explanation="share nearer to a training image, in features, than 99 % of held-out images that repeat none are",
    **SHARE,
)
def copies_features(data: "SampleSet") -> Measurement:
    return from_copies(data, "copies_features")


@measure(
    explanation="share nearer to a training image, in pixels, than 99 % of held-out images that repeat none are",
    **SHARE,
)
def copies_pixels(data: "SampleSet") -> Measurement:
    return from_copies(data, "copies_pixels")


@measure(
    explanation="share nearer to a training image, mirrored, shifted by a pixel or brightened, than 99 % of held-out "
    "images that repeat none are",
    **SHARE,
)
def copies_augmented(data: "SampleSet") -> Measurement:
    return from_copies(data, "copies_augmented")


@measure(
    explanation="C_T (Meehan 2020): rank of the samples' distances to training images; far below 0 for copies",
    better="high",
    bound=-5.0,
    limits={"lt": 0},
    **COPYING,
)
def copying(data: "SampleSet") -> Measurement:
    return from_copies(data, "copying")


@measure(
    explanation="AuthPct (Alaa 2022) minus that of held-out images",
    kind="excess",
    better="high",
    bound=0.05,
    limits={"ge": 0, "le": 1},
    **COPYING,
)
def authenticity(data: "SampleSet") -> Measurement:
    return from_copies(data, "authenticity")


@measure(explanation="copies_features under its former name", reported=False)
def memorization(data: "SampleSet") -> float | int | None:
    return from_copies(data, "copies_features").number
