"""FLD: Jiralerspong et al., "Feature Likelihood Divergence: Evaluating the Generalization of Generative Models" (2023).

A mixture of isotropic Gaussians is centred on the samples. Its variances, one per sample, are fitted to training items.
A copy of a training item gets a tiny variance, so held-out items get a low likelihood. The divergence is 100 times the
negative log-likelihood per feature of held-out items, minus that under a mixture centred on real items. 0 is perfect.

The gap is 100 times the negative log-likelihood of the training items minus that of the held-out items; far below 0
for copies. Features are normalised with mean and standard deviation of the held-out items. As in the published code,
Adam fits the variances in 50 steps. A wide Gaussian next to the mixture gives every item some likelihood meanwhile.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.arrays import Float64Array, FloatArray
from pipeline.evaluation.cache import remember

CENTRES, FITTED = 1_000, 2_000
"""Samples that are centres, and training items that the variances are fitted to; the paper has 10,000 of each."""
STEPS, RATE, BETAS = 50, 0.5, (0.9, 0.999)
NEAREST_LEAST = 1e-3  # added to the squared distance of the nearest item, from which the variances start
BACKGROUND = 0.9  # the wide Gaussian's distances are shortened by this factor
LIMITS = (-40.0, 20.0)  # of the logarithms of variances
LEAST = 20


@dataclass(frozen=True)
class Likelihood:
    """Divergence and gap of samples, and the gap of real items in their place."""

    divergence: float
    gap: float
    real_gap: float


def feature_likelihood(
    fake: FloatArray, train: FloatArray, test: FloatArray, seed: int, *, cache: Path | None = None, key: str = ""
) -> Likelihood | None:
    """Compute the divergence from features of samples, training items and held-out items, each [n, d].

    Args:
        fake: Features of the samples.
        train: Features of training items.
        test: Features of held-out items.
        seed: Seed of the choice of items.
        cache: Folder that keeps the fit around real items; None keeps nothing.
        key: Identifies the real features in the cache.

    Returns:
        None with fewer than 20 samples, 40 training items or 20 held-out items, or if no feature varies.
    """
    n = min(len(fake), len(train) // 2, CENTRES)
    if n < LEAST or len(test) < LEAST:
        return None
    rng = np.random.default_rng(seed)
    order, samples = rng.permutation(len(train)), rng.choice(len(fake), n, replace=False)
    held_out = test[rng.permutation(len(test))[:FITTED]]
    centre, scale = held_out.mean(axis=0, dtype=np.float64), held_out.std(axis=0, dtype=np.float64, ddof=1)
    alive = scale > 1e-6 * scale.max()
    if not alive.any():
        return None

    def normalise(features: FloatArray) -> Tensor:
        return torch.from_numpy((features[:, alive].astype(np.float64) - centre[alive]) / scale[alive])

    fitted, tested = normalise(train[order[n : n + FITTED]]), normalise(held_out)

    def score(centres: FloatArray) -> Tensor:
        """Return the mean negative log-likelihoods of the training and of the held-out items, [2]."""
        points = normalise(centres)
        logs = fit_variances(points, fitted)
        means = [negative_log_likelihoods(points, logs, items).mean() for items in (fitted, tested)]
        return torch.tensor(means, dtype=torch.float64)

    def score_real() -> dict[str, Tensor]:
        return {"likelihoods": score(train[order[:n]])}

    ours = score(fake[samples]).tolist()
    theirs = remember(cache, "likelihood", f"{key} {n} {len(fake)} {seed}", {"likelihoods": (2,)}, score_real)
    real_fitted, real_tested = theirs["likelihoods"].tolist()
    return Likelihood(100 * (ours[1] - real_tested), 100 * (ours[0] - ours[1]), 100 * (real_fitted - real_tested))


def fit_variances(centres: Tensor, items: Tensor) -> Tensor:
    """Fit the logarithms of the variances [n] of a mixture around `centres` [n, d] to `items` [m, d]."""
    d = centres.shape[1]
    squares = squared_distances(items, centres)
    background = BACKGROUND**2 * (items - items.mean(dim=0)).square().sum(dim=1, keepdim=True)
    logs = torch.cat([((squares.amin(dim=0) + NEAREST_LEAST) / d).log(), torch.zeros(1, dtype=torch.float64)])
    weights = torch.full((len(centres) + 1,), -math.log(len(centres)), dtype=torch.float64)
    weights[-1] = 0.0
    squares = torch.cat([squares, background], dim=1)
    # torch.optim.Adam takes seconds to import; the gradient is that of the mean negative log-likelihood per feature.
    first, second = torch.zeros_like(logs), torch.zeros_like(logs)
    for step in range(1, STEPS + 1):
        shares = torch.softmax(log_densities(squares, logs, d) + weights, dim=1)
        gradient = (shares * (1 - squares / (d * logs.exp()))).mean(dim=0) / 2
        first.lerp_(gradient, 1 - BETAS[0])
        second.lerp_(gradient.square(), 1 - BETAS[1])
        scale = (second / (1 - BETAS[1] ** step)).sqrt() + 1e-8
        logs -= RATE * first / (1 - BETAS[0] ** step) / scale
        logs[:-1].clamp_(*LIMITS)
    return logs[:-1]


def negative_log_likelihoods(centres: Tensor, logs: Tensor, items: Tensor) -> Float64Array:
    """Return the negative log-likelihood per feature of `items` [m, d] under the mixture, [m]."""
    d = centres.shape[1]
    densities = log_densities(squared_distances(items, centres), logs, d)
    values: Float64Array = (-(torch.logsumexp(densities, dim=1) - math.log(len(centres))) / d).numpy()
    return values


def log_densities(squares: Tensor, logs: Tensor, d: int) -> Tensor:
    """Return log N(x_i; c_j, variance_j) from squared distances [m, n] and logarithms of the variances [n]."""
    return -0.5 * (squares / logs.exp() + d * (logs + math.log(2 * math.pi)))


def squared_distances(items: Tensor, centres: Tensor) -> Tensor:
    """Return all squared distances, [m, n]."""
    return torch.cdist(items, centres, compute_mode="donot_use_mm_for_euclid_dist").square()
