"""What a reader of the numbers must be warned of; none of it decides the verdict."""

from collections.abc import Sequence

from pipeline.arrays import Float32Array
from pipeline.evaluation.extractors.base import FeatureSpec
from pipeline.evaluation.measures.modes import Modes
from pipeline.evaluation.wording import join_names, percent
from pipeline.tasks.generate import gate

WEAK = 0.6  # below this accuracy the classes of samples are guesses


def about_features(spec: FeatureSpec) -> list[str]:
    """Features that cannot say what a reader may think they say."""
    if spec.name == "random":
        return [
            "features of an untrained network see noise, blur and collapse, but cannot rank good generators: give labels or Inception weights to know more"
        ]
    if spec.name == "inception" and not spec.published:
        return [
            f"the weights file is not the published Inception (sha256 {spec.sha8}): its distance is not the literature's FID"
        ]
    return []


def about_classifier(accuracy: float | None, classes: int) -> list[str]:
    """A classifier that often errs on real images."""
    if accuracy is None or accuracy >= max(WEAK, gate.HOPELESS / classes):
        return []
    return [
        f"the classifier names only {percent(accuracy)} of the real test images rightly, so modes_covered and mode_kl are unreliable: check the labels"
    ]


def about_size(real: Float32Array) -> list[str]:
    """A reference too small for its features."""
    n, dims = real.shape
    if n >= 2 * dims:
        return []
    return [
        f"the reference has only {n:,} images for {dims} features, so the Fréchet distance is biased upwards; read fid_ratio, or kid"
    ]


def about_modes(modes: Modes, classes: Sequence[str]) -> list[str]:
    """Classes that this many samples and this classifier cannot judge."""
    few = modes.undecidable
    if not few:
        return []
    return [
        f"nobody could tell whether {join_names([classes[c] for c in few])} {'is' if len(few) == 1 else 'are'} missing: raise evaluate.samples"
    ]
