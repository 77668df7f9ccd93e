"""Precision, recall, density and coverage against the authors' package, torch-fidelity and known values."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from prdc import compute_prdc
from torch_fidelity.metric_prc import calculate_precision_recall_full

from pipeline.errors import InputError
from pipeline.evaluation.measures.prdc import expected_coverage, prdc

Float32 = npt.NDArray[np.float32]


def normal(n: int, d: int = 32, seed: int = 0, scale: float = 1.0, offset: float = 0.0) -> Float32:
    return (np.random.default_rng(seed).standard_normal((n, d)) * scale + offset).astype(np.float32)


CASES = {
    "equal": (normal(900), normal(700, seed=1)),
    "narrow": (normal(600), normal(600, seed=1, scale=0.7)),
    "wide": (normal(600), normal(500, seed=1, scale=1.3)),
    "apart": (normal(400), normal(400, seed=1, offset=0.6)),
    "far from the origin": (normal(400, offset=100), normal(400, seed=1, offset=100)),
    "repeated": (normal(400), np.repeat(normal(40, seed=1), 10, axis=0)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("k", [3, 5])
def test_all_four_equal_the_authors_package(name: str, k: int) -> None:
    real, fake = CASES[name]
    ours, theirs = prdc(fake, real, k), compute_prdc(real.astype(np.float64), fake.astype(np.float64), k)
    assert ours.precision == theirs["precision"]
    assert ours.recall == theirs["recall"]
    assert ours.coverage == theirs["coverage"]
    assert ours.density == pytest.approx(theirs["density"], rel=1e-12)


@pytest.mark.parametrize("name", ["equal", "narrow", "wide", "apart"])
def test_precision_and_recall_equal_torch_fidelity(name: str) -> None:
    real, fake = CASES[name]
    ours = prdc(fake, real, k=3)
    precision, recall = calculate_precision_recall_full(*(torch.from_numpy(x.astype(np.float64)) for x in (fake, real)))
    assert (ours.precision, ours.recall) == pytest.approx((precision, recall), abs=1e-6)


def test_values_of_normals_in_a_thousand_dimensions() -> None:
    """The test of Naeem 2020, with 2,000 instead of 10,000 items each."""
    found = prdc(normal(2000, 1000), normal(2000, 1000, seed=1))
    assert 0.44 < found.precision < 0.56
    assert 0.44 < found.recall < 0.56
    assert 0.90 < found.density < 1.15
    assert 0.95 < found.coverage < 0.99


def test_coverage_of_equal_distributions_has_its_expected_value() -> None:
    """The expected coverage of any distribution, and three values from Naeem 2020."""
    assert expected_coverage(10_000, 10_000) == pytest.approx(0.9688, abs=1e-4)
    assert expected_coverage(10_000, 5_000) == pytest.approx(0.8684, abs=1e-4)
    assert expected_coverage(10_000, 1_000) == pytest.approx(0.3792, abs=1e-4)
    draws = [prdc(normal(250, 8, 100 + seed), normal(500, 8, seed)) for seed in range(12)]
    assert np.mean([draw.coverage for draw in draws]) == pytest.approx(expected_coverage(500, 250), abs=0.02)
    assert np.mean([draw.density for draw in draws]) == pytest.approx(1.0, abs=0.06)


def test_collapse_to_the_mean_shows_in_recall_and_density_only() -> None:
    """Precision is 1 although there is only one distinct sample."""
    real = normal(2000, 64)
    found = prdc(np.tile(real.mean(axis=0), (2000, 1)), real)
    assert found.precision == 1
    assert found.recall == 0
    assert found.density > 50


def test_they_are_invariant_to_order_and_scale() -> None:
    real, fake = CASES["wide"]
    rng = np.random.default_rng(0)
    assert prdc(fake[rng.permutation(len(fake))], real[rng.permutation(len(real))]) == prdc(fake, real)
    assert prdc(fake * 4, real * 4) == prdc(fake, real)


def test_sets_of_at_most_k_items_are_rejected() -> None:
    with pytest.raises(InputError, match="5 nearest neighbours cannot be found among 4"):
        prdc(normal(50), normal(5))
