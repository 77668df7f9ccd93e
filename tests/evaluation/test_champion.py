"""Champion and challenger: differences that are there are found, others are not, and unequal protocols are refused."""

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.errors import InputError
from pipeline.evaluation.champion import compare, compare_kernel, differences
from pipeline.evaluation.kid import kid, mmd2


def normal(n: int, seed: int, offset: float = 0.0) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((n, 8)) + offset


def test_a_better_and_a_worse_challenger() -> None:
    real, good, bad = normal(2000, 0), normal(1500, 1, 0.1), normal(1500, 2, 0.4)
    found = compare(good, bad, real, ("a=1", "a=1"), 0)
    assert found.verdict == "better"
    assert found.low < found.difference < found.high < 0
    assert found.difference == pytest.approx(8 * (0.01 - 0.16), rel=0.2)
    assert compare(bad, good, real, ("a=1", "a=1"), 0).verdict == "worse"
    assert compare(good, bad, real, ("a=1", "a=1"), 0) == found


def test_two_draws_of_one_generator_are_equal_nineteen_times_of_twenty() -> None:
    verdicts = [compare(normal(600, 10 + k, 0.2), normal(600, 50 + k, 0.2), normal(800, k), ("a=1", "a=1"), k, draws=100).verdict for k in range(20)]
    assert verdicts.count("equal") >= 17


def test_what_cannot_be_compared_is_refused() -> None:
    x = normal(50, 0)
    with pytest.raises(InputError, match="dims 64 against 512"):
        compare(x, x, x, ("measure=fid | dims=64", "measure=fid | dims=512"), 0)
    with pytest.raises(InputError, match="50 samples of the challenger and 40 of the champion"):
        compare(x, x[:40], x, ("a=1", "a=1"), 0)


def test_kernel_distances_are_compared_as_kid_measures_them() -> None:
    """Without resampling the difference is that of `kid`, and a draw's closed form is the unbiased MMD^2 of the items it drew."""
    real, first, second = normal(400, 0), normal(400, 1, 0.1), normal(400, 2, 0.4)
    found = compare_kernel(first, second, real, ("a=1", "a=1"), 0)
    assert found.difference == pytest.approx(kid(first, real) - kid(second, real), rel=1e-9)
    assert found.verdict == "better"
    assert compare_kernel(second, first, real, ("a=1", "a=1"), 0).verdict == "worse"

    rng = np.random.default_rng(5)
    drawn = [rng.integers(0, 60, 60) for _ in range(3)]
    x, y, z = (array[:60] for array in (first, second, real))
    straight = mmd2(x[drawn[0]], z[drawn[2]]) - mmd2(y[drawn[1]], z[drawn[2]])
    counts = [np.bincount(indices, minlength=60).astype(float)[None] for indices in drawn]
    assert float(differences((x, y, z), counts)[0]) == pytest.approx(straight, rel=1e-9)


def test_equal_generators_have_equal_kernel_distances_nineteen_times_of_twenty() -> None:
    verdicts = [compare_kernel(normal(600, 10 + k, 0.2), normal(600, 50 + k, 0.2), normal(800, k), ("a=1", "a=1"), k).verdict for k in range(20)]
    assert verdicts.count("equal") >= 17
