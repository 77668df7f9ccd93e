"""KID against torch-fidelity and its definition."""

from typing import Any

import numpy as np
import pytest
from torch_fidelity.metric_kid import kid_features_to_metric

from pipeline.errors import InputError
from pipeline.evaluation.measures.kid import kid


def features(n: int, seed: int, shift: float = 0.0) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(size=(n, 16)) + shift


def test_it_equals_torch_fidelity_on_the_same_subsets() -> None:
    import torch

    x, y = features(200, 1), features(200, 2, 0.3)
    options = {
        "kid_subsets": 2,
        "kid_subset_size": 200,
        "kid_kernel": "poly",
        "kid_kernel_poly_degree": 3,
        "kid_kernel_poly_gamma": None,
    }
    expected = kid_features_to_metric(
        torch.from_numpy(x),
        torch.from_numpy(y),
        kid_kernel_poly_coef0=1,
        rng_seed=1,
        verbose=False,
        cuda=False,
        **options,
    )
    assert kid(x, y) == pytest.approx(float(expected["kernel_inception_distance_mean"]), rel=1e-6)


def test_it_equals_the_definition() -> None:
    x, y = features(7, 3), features(7, 4)

    def k(a: Any, b: Any) -> float:
        return float((a @ b / 16 + 1) ** 3)

    within = sum(k(z[i], z[j]) for z in (x, y) for i in range(7) for j in range(7) if i != j) / 42
    assert kid(x, y) == pytest.approx(within - 2 * np.mean([[k(a, b) for b in y] for a in x]), rel=1e-10)


def test_it_is_unbiased_at_any_size() -> None:
    """Equal distributions have a mean of zero with 20 and with 200 items; a shift increases it."""
    for n in (20, 200):
        values = [kid(features(n, 10 * s), features(n, 10 * s + 1)) for s in range(60)]
        assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(60)
    assert kid(features(200, 1), features(200, 2, 0.5)) > 0.1


def test_subsets_are_reproducible_and_no_larger_than_the_data() -> None:
    x, y = features(50, 5), features(300, 6)
    assert kid(x, y, seed=1) == kid(x, y, seed=1) != kid(x, y, seed=2)
    assert kid(x, y, size=10**9) == kid(x, y, size=50)


def test_unusable_features_are_rejected() -> None:
    x = features(10, 7)
    for other, message in ((x[:1], "at least 2"), (x[:, :3], "16 and 3"), (x * np.nan, "NaN"), (x * 1e200, "overflow")):
        with pytest.raises(InputError, match=message):
            kid(x, other)
