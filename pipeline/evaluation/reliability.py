"""Warnings about the measurements of an evaluation. They do not affect the verdict."""

from collections.abc import Sequence

from pipeline.arrays import Float32Array
from pipeline.evaluation.extractors.base import FeatureSpec
from pipeline.evaluation.measures.modes import Modes
from pipeline.evaluation.wording import join_names, percent

WEAK = 0.6
"""With a lower accuracy of the classifier, the predicted classes of samples are unreliable."""

USABLE = 2.0
"""Tests use a classifier if its accuracy is at least this many times that of chance."""


RECOGNISED = 0.1
"""Tests of diversity use self-supervised features that recognise at least this share of held-out items."""


def near_chance(accuracy: float | None, classes: int) -> bool:
    """Return whether a classifier is too weak for any test; False if its accuracy is unknown."""
    return accuracy is not None and accuracy < USABLE / classes


def feature_warnings(spec: FeatureSpec) -> list[str]:
    """Warn if the features are of limited value, or if they are not those of the literature."""
    if spec.name == "random":
        return [
            "features of an untrained network detect noise, blur and collapse, but cannot rank good generators: "
            "set evaluate.features to auto, or provide labels or an encoder"
        ]
    if spec.name == "inception" and not spec.published:
        return [
            f"the weights file is not the published Inception network (sha256 {spec.sha8}): "
            "the distance is not the FID of the literature"
        ]
    return []


def blind_features(accuracy: float | None) -> str:
    """Return why no test of diversity may use self-supervised features; empty if tests may.

    Args:
        accuracy: Share of held-out items that the features recognise in a distorted view; None for other features.
    """
    if accuracy is None or accuracy >= RECOGNISED:
        return ""
    return (
        f"the self-supervised features recognise only {percent(accuracy)} of held-out items in a distorted view, "
        "so they cannot show what samples lack: provide labels or an encoder (evaluate.features)"
    )


def classifier_warnings(accuracy: float | None, classes: int) -> list[str]:
    """Warn if the classifier is often wrong on real images."""
    if accuracy is None or accuracy >= max(WEAK, USABLE / classes):
        return []
    return [
        f"the accuracy of the classifier on real test images is only {percent(accuracy)}, "
        "so modes_covered and mode_kl are unreliable: check the labels"
    ]


def reference_warnings(real: Float32Array) -> list[str]:
    """Warn if the reference [n, d] is too small for the number of features."""
    n, dims = real.shape
    if n >= 2 * dims:
        return []
    return [
        f"the reference has only {n:,} images for {dims} features, so the Fréchet distance is biased upwards: "
        "use fid_ratio or kid"
    ]


def mode_warnings(modes: Modes, classes: Sequence[str]) -> list[str]:
    """Warn of classes whose absence would not be detected with this number of samples and this classifier."""
    few = modes.undecidable
    if not few:
        return []
    return [
        f"cannot detect whether {join_names([classes[c] for c in few])} "
        f"{'is' if len(few) == 1 else 'are'} missing: raise evaluate.samples"
    ]
