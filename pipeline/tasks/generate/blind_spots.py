"""What the features of an evaluation cannot see, measured on real items."""

from typing import get_args

from pipeline.evaluation.extractors.random_network import RANDOM
from pipeline.evaluation.wording import percent
from pipeline.measure import Measurement
from pipeline.media.alteration import Group
from pipeline.tasks.generate.sample_set import SampleSet
from pipeline.tasks.generate.settings import SampleGate

FEW = 0.1
"""Shares of broken samples above this are mentioned if smaller ones pass unseen."""


def list_blind_spots(data: SampleSet, gate: SampleGate) -> list[str]:
    """Return what no test of these samples could see, "what: why"."""
    return [*unseen_by_features(data), *unseen_shares(data, gate)]


def unseen_by_features(data: SampleSet) -> list[str]:
    """Return what the features of data without labels miss."""
    real = data.real
    if real.classifier is not None:
        return []
    if real.extractor.spec.name == RANDOM:
        return ["what samples show, such as kinds of items that are missing: the features are of an untrained network"]
    if real.recognition is None:
        return []
    return [
        "kinds of items that are missing or rare, if few are: the features were learned without labels, and recognise "
        f"{percent(real.recognition)} of held-out items in a distorted view"
    ]


def unseen_shares(data: SampleSet, gate: SampleGate) -> list[str]:
    """Return the alterations of samples that are seen only if many samples are altered."""
    found = []
    if data.altered is None:
        return []
    for group in get_args(Group):
        bound: float | None = getattr(gate, group, None)
        if bound is None:
            continue
        for name in data.altered_names(group):
            detector = data.altered.detectors[name]
            least = smallest_share(data.altered.shares.get(name), bound, gate.significance)
            seen = "the classifier does not recognise test images that do"
            if detector is not None:
                seen = f"the classifier recognises {percent(detector.altered)} of the test images that do"
                seen += f", and takes {percent(detector.intact)} of the others for such"
            found.append((f"samples that look {name}", least, seen))
    return [
        f"{what}, {f'up to {percent(least)} of all' if least < 1 else 'however many'}: {seen}"
        for what, least, seen in found
        if least > FEW
    ]


def smallest_share(share: Measurement | None, bound: float, significance: float) -> float:
    """Return the share of altered samples from which a test fails; 1 or more if there is none.

    Args:
        share: The estimated share; None for an alteration that is not recognised.
        bound: The bound on it.
        significance: Standard deviations of the null that a failure must exceed.
    """
    return max(bound, significance * (share.spread or 0.0)) if share is not None else 1.0
