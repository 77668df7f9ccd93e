"""Measures of memorisation against SciPy, and on exact, noisy and partial copies."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import mannwhitneyu, norm

from pipeline.evaluation.measures.bins import assign, k_means
from pipeline.evaluation.measures.copies import authenticity, copy_rate, copying, mann_whitney
from pipeline.evaluation.measures.distances import nearest, neighbours

Float64 = npt.NDArray[np.float64]


@pytest.mark.parametrize("ties", [False, True])
def test_the_rank_sum_equals_scipy(ties: bool) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 80), rng.normal(0.4, 1, 130)
    if ties:
        a, b = np.round(a), np.round(b)
    p = mannwhitneyu(a, b, method="asymptotic", use_continuity=False).pvalue
    assert 2 * norm.sf(abs(mann_whitney(a, b))) == pytest.approx(p, rel=1e-9)
    assert mann_whitney(a, b) < 0 < mann_whitney(b, a)
    assert mann_whitney(np.ones(20), np.ones(20)) == 0


def draw(n: int, seed: int) -> Float64:
    return np.random.default_rng(seed).standard_normal((n, 12))


def measured(fake: Float64) -> tuple[float, float, float]:
    """Return copy rate, AuthPct and C_T for 3,000 training and 2,000 held-out images of one distribution."""
    train, heldout = draw(3000, 0), draw(2000, 1)
    own = neighbours(train, 1)[0][:, 0]
    centres = k_means(train, 6, 0)
    (near, where), (apart, _) = nearest(fake, train, 1), nearest(heldout, train, 1)
    cells = assign(fake, centres), assign(heldout, centres)
    return (
        copy_rate(near[:, 0], apart[:, 0]),
        authenticity(near[:, 0], where[:, 0], own),
        copying(near[:, 0], apart[:, 0], *cells),
    )


def test_new_samples_are_no_copies() -> None:
    rate, authentic, z = measured(draw(2000, 2))
    fresh = authenticity(*reference())
    assert rate == pytest.approx(0.01, abs=0.01)
    assert authentic == pytest.approx(fresh, abs=0.05)
    assert abs(z) < 3


def reference() -> tuple[Float64, npt.NDArray[np.int64], Float64]:
    train, heldout = draw(3000, 0), draw(2000, 1)
    near, where = nearest(heldout, train, 1)
    return near[:, 0], where[:, 0], neighbours(train, 1)[0][:, 0]


def test_exact_noisy_and_partial_copies_are_detected() -> None:
    train = draw(3000, 0)
    rate, authentic, z = measured(train[:2000])
    assert rate == 1
    assert authentic == 0
    assert z < -20
    noisy = train[:2000] + 0.05 * draw(2000, 5)
    rate, authentic, z = measured(noisy)
    assert rate > 0.95
    assert authentic < 0.05
    assert z < -18
    tenth = np.concatenate([train[:200], draw(1800, 2)])
    rate, _, z = measured(tenth)
    assert rate == pytest.approx(0.1, abs=0.02)
    assert z < -1.5


def test_cells_with_few_samples_are_ignored() -> None:
    cells = np.arange(8)
    assert copying(np.zeros(8), np.ones(8), cells, cells) == 0.0
