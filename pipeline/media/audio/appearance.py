"""Measures of the sound of clips of any content, and the failure modes that they name.

The features of a classifier ignore noise, clipping and a missing treble. These measures do not. A ratio may differ by
25 %. 3 dB is twice the power, about three times what a listener just notices (Zwicker and Fastl, 1999, section 7.1).
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.measure import Bounds, Measure, Measurement, Symptom
from pipeline.media.audio.mel_codec import MelCodec
from pipeline.media.audio.profiles import silence
from pipeline.media.audio.waves import pictures_of
from pipeline.media.declared_measures import (
    Found,
    excess,
    name_change,
    profile_measure,
    ratio,
    statistic_measure,
)

EXPLAINED = frozenset({"appearance", "fidelity", "classes"})
HEARD_DB = 3.0
"""Decibels by which a mean spectrum, or the levels, differ."""
HISS_DB = 6.0
"""Decibels by which the quietest cells are louder."""
MOVED = 0.05
"""Part of the length by which the power lies elsewhere in time."""
MOST = 0.5
"""Share of silent samples from which the samples as a whole are silent."""
VARIED = 0.05
"""Share of repeated samples above which few clips stand for all, whose means say nothing about the sound."""
FINER = "Train longer (train.total_images), lower train.learning_rate towards the end, or raise train.ema_half_life"
ORIGIN = "All samples are changed alike: look at how recordings are read, augmented and written"


def is_varied(found: Found) -> bool:
    """Return whether samples are not a few clips over and over, which have spectra and levels of their own."""
    return max(found.get(name, Measurement(None)).number or 0.0 for name in ("near_duplicates", "duplicate_rate")) <= (
        VARIED
    )


def is_change(found: Found, name: str) -> bool:
    """Return whether all samples were changed in the way that has this name."""
    return found["placement_change"].value == name


def is_clipped(found: Found) -> bool:
    """Return whether peaks are cut: less dynamics, and more power or overtones that make the spectrum flatter."""
    if not is_varied(found) or ratio(found, "crest") >= 0.9:
        return False
    return is_louder(found) or (ratio(found, "flatness") > 1.1 and not is_hissing(found))


def is_louder(found: Found) -> bool:
    """Return whether samples have far more power. Noise that adds as much leaves no sound to recognise."""
    return ratio(found, "loudness") > 1.25


def is_hissing(found: Found) -> bool:
    """Return whether even the quietest cells are loud."""
    return excess(found, "hiss") > HISS_DB


def is_noisy(found: Found) -> bool:
    """Return whether even the quietest cells are loud, and not because of overtones."""
    return is_varied(found) and is_hissing(found) and ratio(found, "flatness") > 1 and not is_clipped(found)


def is_band_limited(found: Found) -> bool:
    """Return whether high frequencies are missing."""
    return ratio(found, "treble") < (0.75 if is_varied(found) else 0.5)


def is_loudness(found: Found) -> bool:
    """Return whether the level differs and the spectrum does not."""
    return is_varied(found) and excess(found, "spectrum") <= HEARD_DB


def is_smeared(found: Found) -> bool:
    """Return whether neighbouring cells differ less than in real clips."""
    return is_varied(found) and ratio(found, "texture") < 1


def is_rough(found: Found) -> bool:
    """Return whether neighbouring cells differ more than in real clips."""
    return is_varied(found) and ratio(found, "texture") > 1


def is_dynamics(found: Found) -> bool:
    """Return whether the course of the level differs and the spectrum does not."""
    return is_varied(found) and excess(found, "spectrum") <= HEARD_DB


def without_silence(data: Any) -> Any:
    """Return the samples that hold a sound."""
    spec = data.real.item
    sounds = silence(pictures_of(np.asarray(data.images), spec), MelCodec.of(spec).floor_db)[:, 0] == 0
    return data.select(np.flatnonzero(sounds))


def symptom(name: str, priority: int, advice: str, when: Callable[[Found], bool] = is_varied) -> Symptom:
    """Return a failure mode of the sound of all samples."""
    return Symptom(name, priority, advice, explains=EXPLAINED, when=when)


MISPLACED = tuple(
    Symptom(
        name,
        12,
        ORIGIN,
        when=functools.partial(is_change, name=name),
        undo=lambda data: data.undo_change(),
    )
    for name in ("backwards", "pitch shifted", "delayed")
)
SILENT = Symptom(
    "silent samples",
    9,
    f"Some samples hold no sound: look at validate.silent_db and data.trim. {FINER}",
    explains=frozenset({"near_duplicates", "duplicate_rate", "outliers", "far_outliers"}),
    when=lambda found: excess(found, "silence") < MOST,
    undo=without_silence,
)
CLIPPED = symptom("clipped", 20, f"Look for clipped recordings (validate.max_clipped_share). {FINER}", is_clipped)
BAND_LIMITED = symptom("band limited", 21, FINER, is_band_limited)
NOISY = symptom("noisy", 22, FINER, is_noisy)
SMEARED = symptom("smeared", 23, f"{FINER}, or take wider networks", is_smeared)
ROUGH = symptom("rough", 23, FINER, is_rough)
WRONG_LOUDNESS = symptom(
    "wrong loudness", 24, f"Set data.peak, so that recordings have one level. {FINER}", is_loudness
)
WRONG_DYNAMICS = symptom("wrong dynamics", 31, FINER, is_dynamics)
WRONG_TIMBRE = symptom("wrong timbre", 32, FINER)


INCONSISTENT = Symptom(
    "inconsistent spectrograms",
    33,
    f"Sounds do not have the class that their spectrograms show. {FINER}, or more data.mels",
)


def describe_change(data: Any, bounds: Bounds) -> str:
    """Return the evidence of what was done to all samples."""
    words = data.change.words if data.change else "changed"
    number = data.profiles["placement"].measurement.number
    return f"samples are {words}: undone, their mean spectrogram is {number:.3g} dB nearer to the real one"


statistic = functools.partial(statistic_measure, real="real clips")
profile = functools.partial(profile_measure, real="real clips")

APPEARANCE = (
    statistic("loudness", "root of the mean power", WRONG_LOUDNESS, CLIPPED),
    statistic("centroid", "mean mel band, weighted with the power", BAND_LIMITED, WRONG_TIMBRE),
    statistic("treble", "share of the power in the upper half of the mel bands", CLIPPED, BAND_LIMITED, WRONG_TIMBRE),
    statistic("flatness", "flatness of the spectrum: 1 for noise, near 0 for a tone", CLIPPED, NOISY, WRONG_TIMBRE),
    statistic("crest", "root of the largest over the mean power in time", CLIPPED, WRONG_DYNAMICS, WRONG_TIMBRE),
    statistic("texture", "difference between neighbouring cells of the spectrogram", NOISY, SMEARED, ROUGH),
)
PROFILE_MEASURES: tuple[Measure[Any], ...] = (
    profile(
        "spectrum",
        "largest difference of the share of the power in a mel band, in decibels",
        HEARD_DB,
        CLIPPED,
        BAND_LIMITED,
        NOISY,
        WRONG_TIMBRE,
    ),
    profile(
        "course",
        "earth mover's distance of the power over time from that of real clips, as a share of the length",
        MOVED,
        WRONG_DYNAMICS,
    ),
    profile(
        "levels",
        "earth mover's distance of the levels of all cells from those of real clips, in decibels",
        HEARD_DB,
        CLIPPED,
        NOISY,
        WRONG_LOUDNESS,
        WRONG_DYNAMICS,
        WRONG_TIMBRE,
    ),
    profile(
        "hiss",
        "mean level of the quietest quarter of the cells minus that of real clips, in decibels",
        HISS_DB,
        NOISY,
        WRONG_DYNAMICS,
    ),
    profile("silence", "share of clips without a sound beyond that of real clips", 0.01, SILENT),
    profile(
        "placement",
        "how much nearer the mean spectrogram comes to the real one if samples are reversed or shifted, in decibels; "
        "0 unless that halves the distance",
        1.0,
        *MISPLACED,
        evidence=describe_change,
    ),
    Measure(
        "class_kept",
        lambda data: data.kept_classes,
        "share of samples that have the same class after they became sound and a spectrogram again, over that of real "
        "clips",
        kind="relative",
        better="high",
        bound=0.95,
        limits={"ge": 0, "le": 1},
        missing="too few clips",
        needs="classes",
        group="appearance",
        symptoms=(INCONSISTENT,),
    ),
    Measure(
        "placement_change",
        name_change,
        "what was done to all samples",
        reported=False,
    ),
)
