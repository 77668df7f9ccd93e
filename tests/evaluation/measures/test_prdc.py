"""Precision, recall, density and coverage: equal to the authors' package, to torch-fidelity, and to what is known of normals."""

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
def test_equals_the_authors_package_exactly(name: str, k: int) -> None:
    real, fake = CASES[name]
    ours, theirs = prdc(fake, real, k), compute_prdc(real.astype(np.float64), fake.astype(np.float64), k)
    assert ours.precision == theirs["precision"]
    assert ours.recall == theirs["recall"]
    assert ours.coverage == theirs["coverage"]
    assert ours.density == pytest.approx(theirs["density"], rel=1e-12)


@pytest.mark.parametrize("name", ["equal", "narrow", "wide", "apart"])
def test_precision_and_recall_equal_torch_fidelitys(name: str) -> None:
    real, fake = CASES[name]
    ours = prdc(fake, real, k=3)
    precision, recall = calculate_precision_recall_full(*(torch.from_numpy(x.astype(np.float64)) for x in (fake, real)))
    assert (ours.precision, ours.recall) == pytest.approx((precision, recall), abs=1e-6)


def test_the_anchor_of_normals_in_a_thousand_dimensions() -> None:
    """Naeem 2020, their test of the metric; at 2,000 images a side here, 10,000 there."""
    found = prdc(normal(2000, 1000), normal(2000, 1000, seed=1))
    assert 0.44 < found.precision < 0.56
    assert 0.44 < found.recall < 0.56
    assert 0.90 < found.density < 1.15
    assert 0.95 < found.coverage < 0.99


def test_coverage_of_equal_distributions_is_what_is_expected() -> None:
    """Naeem 2020: for any distribution, so over a few draws of normals too. The anchors are theirs."""
    assert expected_coverage(10_000, 10_000) == pytest.approx(0.9688, abs=1e-4)
    assert expected_coverage(10_000, 5_000) == pytest.approx(0.8684, abs=1e-4)
    assert expected_coverage(10_000, 1_000) == pytest.approx(0.3792, abs=1e-4)
    draws = [prdc(normal(250, 8, 100 + seed), normal(500, 8, seed)) for seed in range(12)]
    assert np.mean([draw.coverage for draw in draws]) == pytest.approx(expected_coverage(500, 250), abs=0.02)
    assert np.mean([draw.density for draw in draws]) == pytest.approx(1.0, abs=0.06)


def test_collapse_to_the_mean_is_seen_by_recall_and_density_alone() -> None:
    """The trap: precision 1, coverage high, although only one image is made."""
    real = normal(2000, 64)
    found = prdc(np.tile(real.mean(axis=0), (2000, 1)), real)
    assert found.precision == 1
    assert found.recall == 0
    assert found.density > 50


def test_order_and_scale_do_not_matter() -> None:
    real, fake = CASES["wide"]
    rng = np.random.default_rng(0)
    assert prdc(fake[rng.permutation(len(fake))], real[rng.permutation(len(real))]) == prdc(fake, real)
    assert prdc(fake * 4, real * 4) == prdc(fake, real)


def test_a_set_no_larger_than_k_is_refused() -> None:
    with pytest.raises(InputError, match="5 nearest neighbours cannot be found among 4"):
        prdc(normal(50), normal(5))
