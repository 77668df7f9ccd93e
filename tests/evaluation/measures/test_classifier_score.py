"""The Inception score against torch-fidelity and closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_fidelity.metric_isc import isc_features_to_metric

from pipeline.errors import InputError
from pipeline.evaluation.measures.classifier_score import inception_score


@pytest.mark.parametrize("n", [10, 997, 5000])
def test_it_equals_torch_fidelity(n: int) -> None:
    logits = np.random.default_rng(n).normal(0, 3, (n, 50)).astype(np.float32)
    expected = isc_features_to_metric(torch.from_numpy(logits), 10, True, 2020)["inception_score_mean"]
    assert inception_score(logits, 2020) == pytest.approx(expected, rel=1e-9)


def test_certain_and_uncertain_predictions() -> None:
    """Certain predictions of K equally frequent classes score K; one class, or uncertainty, scores 1."""
    certain = np.tile(np.eye(8) * 1e4, (1000, 1))
    assert inception_score(certain, 0, splits=1) == pytest.approx(8.0)
    assert inception_score(certain[:1].repeat(80, axis=0), 0) == pytest.approx(1.0)
    assert inception_score(np.zeros((80, 8)), 0) == pytest.approx(1.0)
    assert inception_score(np.zeros((1, 8)), 0) == pytest.approx(1.0)


@given(st.integers(1, 60), st.integers(2, 9), st.integers(0, 3), st.floats(0, 1000))
def test_it_is_between_1_and_the_number_of_classes(n: int, k: int, seed: int, scale: float) -> None:
    logits = np.random.default_rng(seed).normal(0, 1, (n, k)) * scale
    found = inception_score(logits, seed)
    assert 1 - 1e-9 <= found <= k + 1e-9
    assert found == pytest.approx(inception_score(logits + 7.0, seed), rel=1e-6), "offsets have no effect"


@pytest.mark.parametrize("logits", [np.zeros((0, 3)), np.zeros(3), np.array([[np.nan, 0.0]])])
def test_unusable_logits_are_rejected(logits: np.ndarray) -> None:
    with pytest.raises(InputError, match="Inception score"):
        inception_score(logits, 0)
