"""Warnings about the numbers of an evaluation. None of them decides the verdict."""

from collections.abc import Sequence

from pipeline.arrays import Float32Array
from pipeline.evaluation.extractors.base import FeatureSpec
from pipeline.evaluation.measures.modes import Modes
from pipeline.evaluation.wording import join_names, percent

WEAK = 0.6
"""Accuracy of the classifier below which the classes of samples are guesses."""

USABLE = 2.0
"""How many times better than chance a classifier must be before a test reads its classes."""


def near_chance(accuracy: float | None, classes: int) -> bool:
    """Return whether a classifier is too bad for any test; False if its accuracy is not known."""
    return accuracy is not None and accuracy < USABLE / classes


def feature_warnings(spec: FeatureSpec) -> list[str]:
    """Warn of features that mean less than a reader may think."""
    if spec.name == "random":
        return [
            "features of an untrained network see noise, blur and collapse, but cannot rank good generators: "
            "give labels or Inception weights to know more"
        ]
    if spec.name == "inception" and not spec.published:
        return [
            f"the weights file is not the published Inception (sha256 {spec.sha8}): "
            "its distance is not the literature's FID"
        ]
    return []


def classifier_warnings(accuracy: float | None, classes: int) -> list[str]:
    """Warn of a classifier that is often wrong on real images."""
    if accuracy is None or accuracy >= max(WEAK, USABLE / classes):
        return []
    return [
        f"the classifier names only {percent(accuracy)} of the real test images rightly, "
        "so modes_covered and mode_kl are unreliable: check the labels"
    ]


def reference_warnings(real: Float32Array) -> list[str]:
    """Warn of a reference [n, d] that is too small for its features."""
    n, dims = real.shape
    if n >= 2 * dims:
        return []
    return [
        f"the reference has only {n:,} images for {dims} features, so the Fréchet distance is biased upwards; "
        "read fid_ratio, or kid"
    ]


def mode_warnings(modes: Modes, classes: Sequence[str]) -> list[str]:
    """Warn of classes whose absence this many samples and this classifier could not show."""
    few = modes.undecidable
    if not few:
        return []
    return [
        f"nobody could tell whether {join_names([classes[c] for c in few])} {'is' if len(few) == 1 else 'are'} "
        "missing: raise evaluate.samples"
    ]
