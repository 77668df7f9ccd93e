"""The share of altered samples: the estimate against known shares, and its chance against simulation."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from pipeline.arrays import Float64Array
from pipeline.evaluation.measures.altered import Altered, Detector, fit_detector, score


def scores(n: int, share: float, apart: float, seed: int) -> Float64Array:
    """Return scores of `n` items, of which a share is altered, whose scores are `apart` standard deviations higher."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, n)
    values[: round(share * n)] += apart
    return 1 / (1 + np.exp(-values))


@pytest.mark.parametrize("apart", [1.0, 2.0, 6.0])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_the_estimate_is_the_true_share(apart: float, share: float) -> None:
    found = []
    for seed in range(0, 90, 3):
        detector = fit_detector(scores(4000, 0, apart, seed), scores(4000, 1, apart, seed + 1))
        assert detector is not None
        found.append(detector.estimate(scores(4000, share, apart, seed + 2)).number or 0.0)
    assert np.mean(found) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(("apart", "least"), [(1.0, 0.7), (3.0, 0.0)])
def test_the_spread_is_that_of_intact_samples(apart: float, least: float) -> None:
    """Of scores that hardly overlap, it is larger: that none of 300 items is wrong leaves room for one."""
    errors, spreads = [], []
    for seed in range(0, 600, 3):
        detector = fit_detector(scores(300, 0, apart, seed), scores(300, 1, apart, seed + 1))
        assert detector is not None
        fresh = scores(500, 0, apart, seed + 2)
        errors.append((np.mean(fresh > detector.threshold) - detector.intact) / detector.gain)
        spreads.append(detector.estimate(fresh).spread or 0.0)
    assert least * np.mean(spreads) < np.std(errors) < 1.3 * np.mean(spreads)


def test_a_few_of_few_samples_are_no_evidence() -> None:
    """Above the threshold is 1 of 1,000 intact items: 1 of 50 in 10 % of all sets, 5 of 50 in 1 of 16 million."""
    detector = Detector(0.5, 1 / 1000, 0.7, 1000)
    deviations = {n: detector.estimate(np.repeat([1.0, 0.0], [n, 50 - n])).z or 0.0 for n in (1, 2, 5, 50)}
    assert deviations[1] == pytest.approx(norm.isf(binom.sf(0, 50, 2 / 1001)), rel=1e-6)
    assert deviations[1] < 2 < deviations[2] < 4 < 5 < deviations[5] < deviations[50]
    many = detector.estimate(np.repeat([1.0, 0.0], [500, 4500]))
    assert many.spread == pytest.approx(np.sqrt(2 / 1001 * 999 / 1001 * (1 / 5000 + 1 / 1000)) / 0.699, rel=1e-6)


def test_an_alteration_that_leaves_no_trace_is_not_recognised() -> None:
    same = scores(500, 0, 0, 1)
    assert fit_detector(same, same) is None


def test_of_equally_certain_thresholds_the_highest_is_taken() -> None:
    """Samples that look a little altered, as those of a generator often do, are then not counted."""
    intact, altered = np.linspace(0, 0.2, 200), np.linspace(0.9, 1, 200)
    detector = fit_detector(intact, altered)
    assert detector is not None
    assert detector.threshold >= 0.9
    assert detector.intact == 0
    assert detector.altered > 0.75


def test_the_most_certain_share_and_the_samples_that_show_it() -> None:
    clear, weak = np.zeros(100), np.linspace(0.4, 0.6, 100)
    clear[[7, 9, 3]] = 0.95, 0.99, 0.9
    detectors = {
        "clear": fit_detector(np.linspace(0, 0.1, 100), np.linspace(0.8, 1, 100)),
        "weak": fit_detector(scores(100, 0, 1, 1), scores(100, 1, 1, 2)),
        "unseen": None,
    }
    found = Altered(np.arange(0, 200, 2), np.full(100, 0.5), {"clear": clear, "weak": weak, "unseen": weak}, detectors)
    assert next(iter(found.shares)) == "clear"
    assert found.share(["weak", "clear"]) == found.shares["clear"]
    assert found.share(["unseen"]).value is None
    assert list(found.examples("clear")) == [18, 14, 6]
    assert len(found.without("clear")) == 97


def test_others_of_the_same_group_are_no_evidence_that_an_item_is_intact() -> None:
    found = score(np.array([[0.2, 0.3, 0.4, 0.1]]), ["turned", "turned", "unreal"])
    assert found[0] == pytest.approx([0.3 / 0.6, 0.4 / 0.7, 0.1])
