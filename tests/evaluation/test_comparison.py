"""Comparing champion and challenger: real differences are detected, chance is not, protocols must agree."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.errors import InputError
from pipeline.evaluation.comparison import (
    Comparison,
    Material,
    compare_all,
    compare_frechet,
    compare_item_scores,
    compare_kernel,
    kernel_differences,
)
from pipeline.evaluation.measures.kid import kernel, kid, mmd2


def normal(n: int, seed: int, offset: float = 0.0) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((n, 8)) + offset


def test_better_and_worse_challengers_are_detected() -> None:
    real, good, bad = normal(2000, 0), normal(1500, 1, 0.1), normal(1500, 2, 0.4)
    found = compare_frechet(good, bad, real, ("a=1", "a=1"), 0)
    assert found.verdict == "better"
    assert found.low < found.difference < found.high < 0
    assert found.difference == pytest.approx(8 * (0.01 - 0.16), rel=0.2)
    assert compare_frechet(bad, good, real, ("a=1", "a=1"), 0).verdict == "worse"
    assert compare_frechet(good, bad, real, ("a=1", "a=1"), 0) == found


def test_two_draws_of_one_generator_are_equal_in_95_percent_of_the_cases() -> None:
    verdicts = [
        compare_frechet(
            normal(600, 10 + k, 0.2), normal(600, 50 + k, 0.2), normal(800, k), ("a=1", "a=1"), k, draws=100
        ).verdict
        for k in range(20)
    ]
    assert verdicts.count("equal") >= 17


def test_unequal_protocols_and_sample_counts_are_rejected() -> None:
    x = normal(50, 0)
    with pytest.raises(InputError, match="dims 64 against 512"):
        compare_frechet(x, x, x, ("measure=fid | dims=64", "measure=fid | dims=512"), 0)
    with pytest.raises(InputError, match="challenger has 50 samples and champion 40"):
        compare_frechet(x, x[:40], x, ("a=1", "a=1"), 0)


def test_differences_of_kernel_distances_equal_those_of_kid() -> None:
    """A bootstrap draw has the unbiased MMD^2 of the items that it contains."""
    real, first, second = normal(400, 0), normal(400, 1, 0.1), normal(400, 2, 0.4)
    found = compare_kernel(first, second, real, ("a=1", "a=1"), 0)
    assert found.difference == pytest.approx(kid(first, real) - kid(second, real), rel=1e-9)
    assert found.verdict == "better"
    assert compare_kernel(second, first, real, ("a=1", "a=1"), 0).verdict == "worse"

    rng = np.random.default_rng(5)
    drawn = [rng.integers(0, 60, 60) for _ in range(3)]
    x, y, z = (array[:60] for array in (first, second, real))
    straight = mmd2(x[drawn[0]], z[drawn[2]], kernel) - mmd2(y[drawn[1]], z[drawn[2]], kernel)
    counts = [np.bincount(indices, minlength=60).astype(float)[None] for indices in drawn]
    assert float(kernel_differences((x, y, z), counts)[0]) == pytest.approx(straight, rel=1e-9)


def test_kernel_distances_of_one_generator_are_equal_in_95_percent_of_the_cases() -> None:
    verdicts = [
        compare_kernel(normal(600, 10 + k, 0.2), normal(600, 50 + k, 0.2), normal(800, k), ("a=1", "a=1"), k).verdict
        for k in range(20)
    ]
    assert verdicts.count("equal") >= 17


def test_values_per_image_are_compared_in_pairs() -> None:
    """The difficulty of an image cancels, so a gain far below the spread of the values is detected."""
    rng = np.random.default_rng(0)
    hard, protocols = rng.normal(25, 5, 200), ("a=1", "a=1")
    better = compare_item_scores(hard + 0.2 + rng.normal(0, 0.5, 200), hard, protocols, 0)
    assert better.verdict == "better"
    assert 0 < better.low < better.difference < better.high
    assert better.difference == pytest.approx(0.2, abs=0.15)
    half = 1.96 * 0.5 / np.sqrt(200)
    assert (better.high - better.low) / 2 == pytest.approx(half, rel=0.15), "1.96 standard errors"
    assert compare_item_scores(hard, hard + 0.2, protocols, 0).verdict == "worse"
    assert compare_item_scores(hard, hard, protocols, 0) == Comparison(0.0, 0.0, 0.0, higher_is_better=True)
    verdicts = [
        compare_item_scores(hard + rng.normal(0, 1, 200), hard, protocols, k, draws=500).verdict for k in range(40)
    ]
    assert verdicts.count("equal") >= 34


def test_all_measures_that_both_have_are_compared() -> None:
    x, y, real, protocols = normal(60, 0), normal(60, 1, 0.5), normal(60, 2), ("a=1", "a=1")
    first, second = (
        Material({"psnr": values}, {"_a": (made, real)})
        for values, made in ((np.arange(9.0), x), (np.arange(9.0) + 1, y))
    )
    found = compare_all(first, second, protocols, 0)
    assert list(found) == ["psnr", "fid_a", "kid_a"]
    assert (found["psnr"].verdict, found["fid_a"].verdict) == ("worse", "better")
    assert found["fid_a"] == compare_frechet(x, y, real, protocols, 0)
    assert list(compare_all(replace(first, kernel=False), Material({}, second.features), protocols, 0)) == ["fid_a"]
    with pytest.raises(InputError, match=r"too few held-out images.*data\.test_fraction"):
        compare_all(first, Material(), protocols, 0)
    with pytest.raises(InputError, match="one held-out image"):
        compare_item_scores(np.ones(1), np.ones(1), protocols, 0)
    with pytest.raises(InputError, match="seed 1 against 2"):
        compare_all(first, second, ("seed=1", "seed=2"), 0)
