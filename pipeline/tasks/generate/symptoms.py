"""From tests that failed to what is wrong, in the words of the field: most specific first, each failure explained once.

A lost class also lowers recall, coverage and the Fréchet distance; a reader wants to be told that a class was lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.evaluation.measures.calibration import Measured

FIDELITY = {"precision", "density", "coverage", "recall", "vendi_ratio", "jsd", "fid_ratio", "fid", "near_duplicates"}
CLASSES = {"modes_covered", "smallest_class_share", "mode_kl"}
LOOKS = {"brightness", "contrast", "sharpness", "checkerboard", "colour"}
COPYING = {"copies_features", "copies_pixels", "copying", "authenticity"}


@dataclass(frozen=True)
class Symptom:
    """`tests` are the failed tests it explains, the first being what names it."""

    name: str
    tests: tuple[str, ...]
    advice: str


STABILITY = "Try model.objective relativistic with model.penalties r1 and r2, stabilisers.minibatch_std or packing, or a larger train.batch_size"
RULES: tuple[tuple[str, Sequence[str], set[str], str], ...] = (
    # name, any of these failed, what it also explains, what to try
    # What cannot be recognised has no class either; a lost class leaves precision as it is.
    (
        "unreal samples",
        ("precision",),
        FIDELITY | LOOKS | CLASSES,
        "Samples lie between real ones: train longer (train.total_images), with wider networks, or a smaller train.ema_half_life",
    ),
    ("dropped classes", ("modes_covered",), CLASSES | FIDELITY, "Try training longer. " + STABILITY),
    (
        "memorisation",
        ("copies_features", "copies_pixels", "copying", "authenticity"),
        COPYING,
        "Samples repeat training images: give more data, stabilisers.augment (diffaugment or ada), a smaller discriminator, or stop earlier",
    ),
    ("intra-class collapse", ("near_duplicates",), FIDELITY, STABILITY),
    # Few images that are repeated show their classes in shares of their own; without repeats the shares are the failure.
    (
        "unbalanced classes",
        ("smallest_class_share", "mode_kl"),
        CLASSES | {"jsd", "fid_ratio", "fid", "vendi_ratio", "coverage"},
        "Try training longer or a larger train.batch_size",
    ),
    ("low diversity", ("recall", "vendi_ratio", "coverage"), FIDELITY, STABILITY),
    (
        "crowded samples",
        ("density",),
        FIDELITY,
        "Samples crowd where real images are common, or stay away from them. " + STABILITY,
    ),
    (
        "low fidelity or diversity",
        ("fid_ratio", "fid", "jsd", *sorted(LOOKS)),
        FIDELITY,
        "Look at the samples: if they are bad train longer (train.total_images) or with wider networks; if they are good but alike, it is collapse",
    ),
)


def diagnose(failed: Sequence[str], measured: Mapping[str, Measured], *, collapsed: bool = False) -> list[Symptom]:
    """Symptoms that together explain every failed test, in the order a reader should hear of them; `collapsed`: hardly two samples differ."""
    left, found = list(failed), []

    def explain(name: str, causes: Sequence[str], also: set[str], advice: str) -> None:
        own = [test for test in causes if test in left]
        if own:
            tests = own + [test for test in left if test in also and test not in own]
            found.append(Symptom(name, tuple(tests), advice))
            left[:] = [test for test in left if test not in tests]

    if "duplicate_rate" in left:
        explain(
            "repeated samples",
            ("duplicate_rate",),
            FIDELITY | LOOKS | COPYING | CLASSES if collapsed else {"near_duplicates", "density"},
            STABILITY,
        )
    look = appearance(set(left), measured)
    if look:
        name, causes, advice = look
        # What cannot be recognised has no class either.
        explain(name, causes, LOOKS | FIDELITY | CLASSES, advice)
    for name, causes, also, advice in RULES:
        explain(name, causes, also, advice)
    return found


def appearance(failed: set[str], measured: Mapping[str, Measured]) -> tuple[str, Sequence[str], str] | None:
    """What is wrong with how the samples look, if that is what is wrong; with the tests that say so."""
    wrong = failed & LOOKS
    if not {"sharpness", "contrast"} <= measured.keys() or not (wrong or failed & {"precision", "coverage"}):
        return None
    crisp = measured["sharpness"].value / max(
        measured["contrast"].value, 1e-9
    )  # sharpness beyond what contrast alone explains
    distinct = abs(measured["sharpness"].z) > 5
    pattern = measured["checkerboard"].value / max(measured["sharpness"].value, 1.0)
    if "checkerboard" in wrong and pattern > (1.45 if crisp < 1.12 else 2.0):
        return (
            "checkerboard artefacts",
            ("checkerboard",),
            "Strided transposed convolutions leave them: set model.architecture: residual, or take r3gan",
        )
    if distinct and crisp < 0.8 and (wrong & {"sharpness", "contrast"}):
        return (
            "blurred",
            ("sharpness", "contrast"),
            "Train longer (train.total_images), with wider networks, or a smaller train.ema_half_life",
        )
    if distinct and crisp > 1.12 and measured["sharpness"].value > 1:
        cause = ("sharpness", "checkerboard", "precision", "coverage")
        return (
            "noisy",
            cause,
            "Train longer, lower train.learning_rate towards the end ({start, end}), or raise train.ema_half_life",
        )
    for test, name in (("contrast", "wrong contrast"), ("brightness", "wrong brightness"), ("colour", "wrong colours")):
        if test in wrong:
            return (
                name,
                (test,),
                "Train longer; if it stays, look at data.background and at what the discriminator is shown (model.stabilisers.augment)",
            )
    return None
