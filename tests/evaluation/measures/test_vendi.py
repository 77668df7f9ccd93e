"""The Vendi score against the authors' package and closed forms."""

import numpy as np
import pytest
from vendi_score import vendi as reference

from pipeline.errors import InputError
from pipeline.evaluation.measures.vendi import vendi


@pytest.mark.parametrize(("n", "d"), [(200, 16), (16, 200), (64, 64)])
def test_it_equals_the_authors_package(n: int, d: int) -> None:
    x = np.random.default_rng(0).standard_normal((n, d)) + 0.3
    normalised = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert vendi(x) == pytest.approx(reference.score_X(normalised, normalize=False), rel=1e-9)
    assert vendi(x) == pytest.approx(reference.score_dual(normalised, normalize=False), rel=1e-9)


def test_it_counts_orthogonal_directions() -> None:
    """m equally frequent orthogonal directions score m, regardless of repetitions and lengths."""
    assert vendi(np.ones((50, 7))) == pytest.approx(1.0)
    assert vendi(np.repeat(np.eye(9), 4, axis=0)) == pytest.approx(9.0)
    assert vendi(np.eye(9) * np.arange(1, 10)[:, None]) == pytest.approx(9.0)
    p = np.array([0.5, 0.25, 0.25])
    assert vendi(np.repeat(np.eye(3), [2, 1, 1], axis=0)) == pytest.approx(float(np.exp(-np.sum(p * np.log(p)))))


def test_degenerate_inputs_score_1_or_are_rejected() -> None:
    assert vendi(np.zeros((5, 3))) == 1.0
    assert vendi(np.ones((1, 3))) == pytest.approx(1.0)
    for wrong in (np.zeros((0, 3)), np.full((2, 2), np.nan), np.zeros(3)):
        with pytest.raises(InputError):
            vendi(wrong)
