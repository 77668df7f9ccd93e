"""What the features of an evaluation cannot see, measured on real items."""

from pipeline.evaluation.extractors.random_network import RANDOM
from pipeline.evaluation.wording import percent
from pipeline.measure import Measurement
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
    """Return the kinds of broken samples that are seen only if many samples are."""
    found = []
    if data.turned is not None:
        for name, seen in data.turned.seen.items():
            least = smallest_share(data.turned.share, seen, getattr(gate, "turned", None), gate.significance)
            found.append((f"samples that are {name}", least, seen))
    if data.blends is not None:
        least = smallest_share(data.blends.share, data.blends.seen, getattr(gate, "blends", None), gate.significance)
        found.append(("samples that are blends", least, data.blends.seen))
    return [
        f"{what}, {f'up to {percent(least)} of all' if least < 1 else 'however many'}: "
        f"only {percent(seen)} of the test images stand out when they are"
        for what, least, seen in found
        if least > FEW
    ]


def smallest_share(share: Measurement, seen: float, bound: float | None, significance: float) -> float:
    """Return the share of broken samples from which a test fails; 1 or more if there is none.

    Args:
        share: Share of samples that stand out, with its null.
        seen: Share of broken real items that stand out.
        bound: The bound on the excess of `share` over its null; None switches the test off, and nothing is returned.
        significance: Standard deviations of the null that a failure must exceed.
    """
    if bound is None:
        return 0.0
    needed, gain = max(bound, significance * (share.spread or 0.0)), seen - (share.null or 0.0)
    return needed / gain if gain > 0 else 1.0
