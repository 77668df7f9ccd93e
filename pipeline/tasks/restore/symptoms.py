"""Failure modes of a restoration, by which failed tests are named; the most specific come first."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pipeline.arrays import BoolArray
from pipeline.measure import Measurement, Symptom

if TYPE_CHECKING:
    from pipeline.tasks.restore.trial import Trial

LOOKS = frozenset({"appearance", "fidelity"})
LOST = -3.0
"""Gain, in dB, below which a result has twice the error of its input."""

MOST_ARE_LOST = 0.5
"""With more such images than this share, the results as a whole are wrong, and other symptoms say how."""

LEFT_OVER = 0.5
"""Correlation with the input's error from which an error is mostly what is left of it."""


def is_broken(trial: "Trial") -> BoolArray:
    """Return which images were lost, [n]."""
    return np.array(trial.gains) < LOST


def is_part(found: Mapping[str, Measurement]) -> bool:
    """Return whether some images were lost, but not most."""
    return 0 < (found["lost_images"].number or 0.0) <= MOST_ARE_LOST


def without_broken(trial: "Trial") -> "Trial":
    """Return the trial without the images that were lost."""
    return trial.select(np.flatnonzero(~is_broken(trial)))


def is_left_over(found: Mapping[str, Measurement]) -> bool:
    """Return whether the noise is that of the input, which the model did not remove."""
    return (found["kept_error"].number or 0.0) >= LEFT_OVER


NO_GAIN = Symptom(
    "little gain over the input",
    40,
    "Train longer (train.total_images), with more model.blocks or model.generator_channels. An adversarial loss costs "
    "PSNR: raise model.pretraining or model.weights.pixel, or allow for it in evaluate.gate.gain",
    causes=("gain", "ssim_gain", "worst_gain"),
)
WRONG_TEXTURE = Symptom(
    "wrong texture",
    38,
    "Restored images are too smooth or show artefacts: train longer, or raise model.weights.perceptual. With "
    "model.pretraining 1 the loss asks for smooth images",
)
ADDED_NOISE = Symptom(
    "added noise",
    22,
    "The adversarial loss adds noise: lower model.weights.adversarial, or raise model.weights.pixel",
    explains=LOOKS,
)
BROKEN_IMAGES = Symptom(
    "broken images",
    15,
    "Some results are much farther from their originals than the inputs are; the report shows the worst. Train longer "
    "(train.total_images), or lower model.weights.adversarial",
    causes=("worst_gain",),
    when=is_part,
    undo=without_broken,
    alone=LOOKS,
)
REMAINING_NOISE = Symptom(
    "remaining noise",
    22,
    "Noise of the input is left: train longer (train.total_images), or with more model.blocks or "
    "model.generator_channels",
    explains=LOOKS,
    when=is_left_over,
)
LOST_DETAIL = Symptom(
    "blurred",
    21,
    "Restored images have less of the fine detail than the smoothed input: train longer (train.total_images), or with "
    "more model.blocks or model.generator_channels",
    explains=LOOKS,
)
FAR_FROM_ORIGINAL = Symptom(
    "no closer to the original than the smoothed input",
    41,
    "Train longer (train.total_images); an adversarial loss that adds wrong texture is too strong: lower "
    "model.weights.adversarial, or raise model.weights.pixel",
)
COLOUR_SHIFT = Symptom(
    "shifted colours",
    25,
    "Lower train.learning_rate, or raise model.weights.pixel, so that colours stay",
    explains=LOOKS,
)
