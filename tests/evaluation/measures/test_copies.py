"""Measures of memorisation against SciPy, and on exact, noisy and partial copies."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import fisher_exact, mannwhitneyu, norm

from pipeline.evaluation.measures.bins import assign, k_means
from pipeline.evaluation.measures.calibration import repeat_rate
from pipeline.evaluation.measures.copies import (
    ImageSets,
    authenticity,
    compare_copies,
    copying,
    exact_score,
    mann_whitney,
    measure_copies,
)
from pipeline.evaluation.measures.distances import nearest, neighbours
from pipeline.evaluation.verdict import apply_bound
from pipeline.measure import Measurement
from pipeline.tasks.generate.measures.registry import MEASURES
from tests.gates import GateSettings

Float64 = npt.NDArray[np.float64]
COPYING = {name: one for name, one in MEASURES.items() if one.group == "copying" and one.better is not None}


def failed(found: dict[str, Measurement]) -> set[str]:
    """Return the tests of memorisation that fail with the default bounds."""
    settings: Any = GateSettings()
    tests = [apply_bound(COPYING[name], one, None, getattr(settings, COPYING[name].key)) for name, one in found.items()]
    return {test.name for test in tests if test.state == "fail"}


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


def number(found: Measurement) -> float:
    assert found.number is not None
    return found.number


def measured(fake: Float64) -> tuple[float, float, float]:
    """Return copy rate, AuthPct and C_T for 3,000 training and 2,000 held-out images of one distribution."""
    train, heldout = draw(3000, 0), draw(2000, 1)
    own = neighbours(train, 1)[0][:, 0]
    centres = k_means(train, 6, 0)
    (near, where), (apart, _) = nearest(fake, train, 1), nearest(heldout, train, 1)
    cells = assign(fake, centres), assign(heldout, centres)
    return (
        number(compare_copies(near[:, 0], apart[:, 0], len(apart))),
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


def test_the_score_of_few_copies_equals_scipy() -> None:
    for fake, real in (((30, 1000), (2, 180)), ((90, 2500), (25, 2500)), ((5, 100), (0, 50))):
        (k, n), (b, m) = fake, real
        p = fisher_exact([[k, n - k], [b, m - b]], alternative="greater").pvalue
        assert exact_score(fake, real) == pytest.approx(norm.isf(p), rel=1e-9)
    assert exact_score((2500, 2500), (0, 2500)) > 35


def draw_digits(seed: int, size: int) -> tuple[ImageSets, Float64]:
    """Return new images as samples, held-out and training images: `size` in all but the samples; and noise."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(seed)
    images = load_digits().images.reshape(-1, 64)[rng.permutation(1797)]
    test = size // 5
    return ImageSets(images[size:], images[:test], images[test:size]), rng.normal(0, 0.6, (1300, 64))


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(40), marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", [120, 450])
def test_small_data_is_calibrated_by_cross_validation(size: int, seeds: range) -> None:
    """The test splits hold 24 and 90 images; new real images never look like copies, and noisy copies always do."""
    for seed in seeds:
        real, noise = draw_digits(seed, size)
        assert failed(measure_copies(real, real, seed)) == set()
        copies = real.train[np.random.default_rng(seed).integers(len(real.train), size=1300)] + noise
        noisy = ImageSets(copies, real.heldout, real.train)
        found = measure_copies(noisy, noisy, seed)
        assert failed(found) == set(found)


def test_the_null_of_cross_validation_leaves_each_image_out() -> None:
    """Only the image at 3 has a neighbour that is nearer to another image: 0 and 1 are nearest to each other."""
    train = np.concatenate([np.array([0.0, 1.0, 3.0]), np.arange(10.0, 10.0 + 3 * 100, 3.0)])[:, None]
    sets = ImageSets(np.linspace(0, 300, 200)[:, None], np.array([[4.5], [100.4]]), train)
    found = measure_copies(sets, sets, 0)
    assert found["authenticity"].null == pytest.approx(1 / 105)


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ((99, 500, 500), "only 99 finite samples, 100 are needed: raise evaluate.samples"),
        ((500, 20, 70), "only 90 real images, 100 are needed"),
        ((500, 500, 2), "only 2 training images"),
    ],
)
def test_the_reason_says_which_images_are_too_few(sizes: tuple[int, int, int], reason: str) -> None:
    sets = ImageSets(*(draw(n, seed) for seed, n in enumerate(sizes)))
    found = measure_copies(sets, sets, 0)
    assert all(one.value is None and one.skip.startswith(reason) for one in found.values())


@pytest.mark.parametrize("rounding", [0.0, 1e-7])
def test_repeated_real_images_do_not_switch_the_test_off(rounding: float) -> None:
    """A tenth of the held-out images repeat training images, up to rounding: the same share of samples may do so."""
    train = draw(1000, 0)
    heldout = np.concatenate([train[:80] + rounding * draw(80, 3), draw(720, 1)])
    real = np.concatenate([train[200:280], draw(720, 2)])
    fifth = np.concatenate([train[:240], draw(560, 4)])
    for samples, blocked in ((real, False), (train[:800] + 0.01 * draw(800, 5), True), (fifth, True)):
        sets = ImageSets(samples, heldout, train)
        found = measure_copies(sets, sets, 0)
        assert found["copies_pixels"].null == pytest.approx(0.11, abs=0.005)
        assert ("copies_pixels" in failed(found)) == blocked


def test_held_out_images_that_all_repeat_training_images_skip_the_test() -> None:
    train = draw(300, 0)
    sets = ImageSets(draw(300, 1), train[:200], train)
    assert measure_copies(sets, sets, 0)["copies_pixels"].skip == "all held-out images repeat training images"


def test_repeated_real_images_do_not_switch_near_duplicates_off() -> None:
    real = np.concatenate([np.zeros(100), np.linspace(1, 2, 900)])
    assert repeat_rate(np.full(1000, 1e-3), real) == 1.0
    assert repeat_rate(real, real) == pytest.approx(0.109)
    assert repeat_rate(np.zeros(10), np.zeros(10)) == 1.0
