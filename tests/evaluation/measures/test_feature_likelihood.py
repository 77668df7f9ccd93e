"""FLD: the fit against automatic differentiation, likelihoods against SciPy, and copies against fresh items."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from pipeline.arrays import Float64Array
from pipeline.evaluation.measures import feature_likelihood as module
from pipeline.evaluation.measures.feature_likelihood import (
    feature_likelihood,
    fit_variances,
    negative_log_likelihoods,
)


def normal(n: int, seed: int, d: int = 4, shift: float = 0.0) -> Float64Array:
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def test_likelihoods_equal_those_of_scipy() -> None:
    centres, items, logs = normal(5, 0), normal(7, 1), np.linspace(-1, 1, 5)
    densities = [
        np.mean([multivariate_normal(c, np.exp(s) * np.eye(4)).pdf(x) for c, s in zip(centres, logs, strict=True)])
        for x in items
    ]
    found = negative_log_likelihoods(*(torch.from_numpy(x) for x in (centres, logs, items)))
    np.testing.assert_allclose(found, -np.log(densities) / 4, rtol=1e-10)


def test_the_fit_is_that_of_automatic_differentiation() -> None:
    centres, items = torch.from_numpy(normal(6, 2)), torch.from_numpy(normal(9, 3))
    squares = (items[:, None] - centres).square().sum(dim=2)
    wide = 0.81 * (items - items.mean(dim=0)).square().sum(dim=1, keepdim=True)
    logs = ((squares.amin(dim=0) + 1e-3) / 4).log().requires_grad_()
    origin = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([logs, origin], lr=0.5)
    for _ in range(50):
        optimiser.zero_grad()
        parts = [-0.5 * (part / s.exp() + 4 * (s + np.log(2 * np.pi))) for part, s in ((squares, logs), (wide, origin))]
        total = torch.logsumexp(torch.cat([parts[0] - np.log(6), parts[1]], dim=1), dim=1)
        (-total.mean() / 4).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        logs.data.clamp_(-40, 20)
    np.testing.assert_allclose(fit_variances(centres, items), logs.detach(), rtol=1e-6, atol=1e-6)


def test_copies_and_poor_samples_are_worse_than_fresh_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CENTRES", 100)
    train, test = normal(300, 4), normal(200, 5)
    fresh, copies, shifted = normal(150, 6), train[100:250], normal(150, 7, shift=1.5)
    good, copied, poor = (feature_likelihood(x, train, test, 0) for x in (fresh, copies, shifted))
    assert good is not None
    assert copied is not None
    assert poor is not None
    assert abs(good.divergence) < 10
    assert poor.divergence > good.divergence + 20
    assert copied.gap < good.gap - 20
    assert abs(good.gap - good.real_gap) < 10
    assert feature_likelihood(fresh[:19], train, test, 0) is None


def test_features_that_never_change_do_not_count() -> None:
    dead = np.ones((300, 1))
    sets = [normal(200, 8), normal(300, 9), normal(100, 10)]
    found = feature_likelihood(sets[0], sets[1], sets[2], 0)
    fake, train, test = (np.hstack([x, dead[: len(x)]]) for x in sets)
    assert feature_likelihood(fake, train, test, 0) == found


def test_the_fit_around_real_items_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CENTRES", 60)
    train, test, fits = normal(300, 11), normal(200, 12), []

    def count(*args: torch.Tensor) -> torch.Tensor:
        fits.append(args)
        return fit_variances(*args)

    monkeypatch.setattr(module, "fit_variances", count)
    first, second = (feature_likelihood(normal(150, 13), train, test, 0, cache=tmp_path, key="a") for _ in range(2))
    assert first == second == feature_likelihood(normal(150, 13), train, test, 0)
    assert len(fits) == 2 + 1 + 2
    feature_likelihood(normal(150, 13), train, test, 0, cache=tmp_path, key="b")
    assert len(fits) == 7
