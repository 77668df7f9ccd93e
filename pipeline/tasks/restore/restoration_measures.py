"""The measures of the task "restore", each computed from one trial. Gate, report and metrics derive from them."""

import functools
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from pipeline.evaluation.measures.intervals import interval_of_mean
from pipeline.measure import Measure, Measurement
from pipeline.media.base import Medium
from pipeline.media.image.patch_measures import COLOUR_PATCHES, coloured_patches
from pipeline.media.image.patches import BANDS, LOUD
from pipeline.media.image.profile_measures import VISIBLE
from pipeline.media.image.profiles import TONES
from pipeline.tasks.medium_measures import CHANGES, add_medium_measures
from pipeline.tasks.restore.symptoms import (
    ADDED_NOISE,
    BROKEN_IMAGES,
    COLOUR_SHIFT,
    FAR_FROM_ORIGINAL,
    LOST_DETAIL,
    NO_GAIN,
    REMAINING_NOISE,
    WRONG_TEXTURE,
    is_broken,
)

if TYPE_CHECKING:
    from pipeline.tasks.restore.trial import Trial


def similarity_measures(name: str, explanation: str) -> "tuple[Measure[Trial], Measure[Trial]]":
    """Return the measures of a similarity to the original: of the restored image, and of the input."""
    ours: Measure[Trial] = Measure(
        name,
        lambda trial: Measurement(trial.mean(name), trial.input_mean(name)),
        explanation,
        headline=name in ("psnr", "ssim"),
    )
    theirs: Measure[Trial] = Measure(
        f"input_{name}", lambda trial: trial.input_mean(name), f"{explanation}, of the input", reported=False
    )
    return ours, theirs


def patch_error(trial: "Trial") -> Measurement:
    """Return the mean error of the colours of patches, of restored images and of the inputs."""
    ours, given = (fmean(values) for values in zip(*trial.patch_errors, strict=True))
    return Measurement(ours, given)


def added_power(trial: "Trial") -> float | None:
    """Return the largest rise of the power of patches, in decibels."""
    change = trial.mean_change("patch_spectrum")
    return None if change is None else float(change.reshape(BANDS, TONES).mean(axis=1).max() * LOUD)


MEASURES: "tuple[Measure[Trial], ...]" = (
    Measure(
        "gain",
        lambda trial: Measurement(
            trial.mean("psnr") - trial.input_mean("psnr"), interval=interval_of_mean(trial.gains, "images")
        ),
        "PSNR (RGB) minus that of the input, in dB; for super-resolution, of the bicubic enlargement",
        better="high",
        bound=0.0,
        group="fidelity",
        symptoms=(NO_GAIN,),
        headline=True,
        place=1,
    ),
    Measure(
        "ssim_gain",
        lambda trial: Measurement(
            trial.mean("ssim") - trial.input_mean("ssim"), interval=interval_of_mean(trial.ssim_gains, "images")
        ),
        "SSIM (RGB) minus that of the input",
        better="high",
        bound=0.0,
        group="fidelity",
        symptoms=(NO_GAIN,),
        headline=True,
        place=2,
    ),
    Measure(
        "worst_gain",
        lambda trial: min(trial.gains),
        "gain of the image that gains least, in dB",
        better="high",
        bound=-1.0,
        group="fidelity",
        symptoms=(BROKEN_IMAGES, NO_GAIN),
    ),
    Measure(
        "texture",
        lambda trial: trial.texture_ratio,
        "Fréchet distance of texture features to the originals, over that of the inputs",
        better="low",
        bound=1.0,
        limits={"gt": 0},
        missing="fewer than 100 squares to compare",
        place=3,
        group="fidelity",
        symptoms=(WRONG_TEXTURE,),
    ),
    Measure(
        "sharpness",
        lambda trial: trial.sharpness_ratio,
        "difference between neighbouring pixels over that of the originals; noise raises it above 1",
        better="low",
        bound=1.2,
        limits={"gt": 0},
        missing="the originals are flat",
        group="appearance",
        symptoms=(REMAINING_NOISE, ADDED_NOISE),
    ),
    Measure(
        "shift",
        lambda trial: max(trial.shifts),
        "8-bit levels by which the mean colour moved",
        better="low",
        bound=2.0,
        limits={"gt": 0},
        group="appearance",
        symptoms=(COLOUR_SHIFT,),
    ),
    Measure(
        "added_power",
        added_power,
        "power of small patches beyond that of the originals, in decibels: of the band where it is largest",
        better="low",
        bound=3.0,
        limits={"gt": 0},
        missing="too few squares of images",
        needs="input",
        group="appearance",
        symptoms=(REMAINING_NOISE, ADDED_NOISE),
    ),
    Measure(
        "coloured_patches",
        lambda trial: coloured_patches(trial) if trial.squares else None,
        "share of small patches within which colours differ visibly, minus that of the originals",
        better="low",
        bound=0.1,
        limits={"gt": 0, "le": 1},
        missing="too few squares of images",
        needs="coloured input",
        group="appearance",
        symptoms=(COLOUR_PATCHES,),
    ),
    Measure(
        "detail",
        lambda trial: Measurement(*trial.detail) if trial.detail else None,
        "share of the originals' fine detail, over that of the inputs after the best Gaussian filter",
        kind="relative",
        better="high",
        bound=1.0,
        limits={"gt": 0},
        missing="the originals are flat",
        group="appearance",
        symptoms=(LOST_DETAIL,),
    ),
    Measure(
        "perceptual_ratio",
        lambda trial: trial.perceptual_ratio,
        "perceptual distance to the originals, in layers of an untrained network, over that of the inputs, as they are "
        "or after the best Gaussian filter",
        better="low",
        bound=1.25,
        limits={"gt": 0},
        missing="the inputs equal the originals",
        group="fidelity",
        symptoms=(FAR_FROM_ORIGINAL,),
    ),
    Measure(
        "patch_error",
        patch_error,
        "error of the mean colours of small patches minus that of the inputs, in 8-bit levels",
        kind="excess",
        better="low",
        bound=VISIBLE,
        limits={"gt": 0},
        group="fidelity",
        symptoms=(FAR_FROM_ORIGINAL,),
    ),
    Measure(
        "lost_images",
        lambda trial: float(is_broken(trial).mean()),
        "share of images with twice the error of their inputs or more",
        ideal="0",
    ),
    Measure(
        "kept_error",
        lambda trial: fmean(trial.kept_errors),
        "correlation of the error of restored images with that of the inputs: near 1 if a part of it is left, near 0 "
        "if the model adds its own",
    ),
    *similarity_measures("psnr", "PSNR (RGB) in dB"),
    *similarity_measures("psnr_y", "PSNR (luma) in dB"),
    *similarity_measures("ssim", "SSIM (RGB)"),
    *similarity_measures("ssim_y", "SSIM (luma)"),
    Measure(
        "gain_y",
        lambda trial: trial.mean("psnr_y") - trial.input_mean("psnr_y"),
        "PSNR (luma) minus that of the input, in dB",
        reported=False,
    ),
    Measure(
        "ssim_y_gain",
        lambda trial: trial.mean("ssim_y") - trial.input_mean("ssim_y"),
        "SSIM (luma) minus that of the input",
        reported=False,
    ),
    Measure(
        "perceptual",
        lambda trial: Measurement(trial.mean_distance("perceptual"), trial.mean_input_distance("perceptual")),
        "mean absolute difference of VGG19's conv5_4 from the original's",
        needs="perceptual",
    ),
    Measure(
        "input_perceptual",
        lambda trial: trial.mean_input_distance("perceptual"),
        "mean absolute difference of VGG19's conv5_4 from the original's, of the input",
        needs="perceptual",
        reported=False,
    ),
    Measure(
        "fid",
        lambda trial: trial.texture.distance if trial.texture else None,
        "Fréchet distance of texture features to the originals",
        reported=False,
        headline=True,
    ),
    Measure(
        "input_fid",
        lambda trial: trial.texture.input_distance if trial.texture else None,
        "Fréchet distance of texture features to the originals, of the inputs",
        reported=False,
    ),
)

SMOOTHER = ("spectrum", "patch_spectrum", "patch_chroma")
"""Measures of the medium that also fail if images are smoother, as the most probable restoration of any input is."""

ADVICE = {
    "checkerboard artefacts": "Train longer (train.total_images), or lower model.weights.adversarial",
    "noisy": ADDED_NOISE.advice,
}


@functools.cache
def measures_for(medium: Medium) -> "Sequence[Measure[Trial]]":
    """Return the measures of restored items of a medium, its own included."""
    return add_medium_measures(MEASURES, medium, ADVICE, without=(*CHANGES, *SMOOTHER))
