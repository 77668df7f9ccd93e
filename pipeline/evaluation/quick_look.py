"""A quick look at a generator while it trains: how far its samples are from real images, and how varied they are.

Cheap and always the same features (those of `random_network`), so that checks of one training can be compared with each other; they see
collapse, divergence and blur, and rank one training's generators. They do not judge: `judgement` does.
"""

from collections.abc import Mapping

import numpy as np
import torch

from pipeline.arrays import Float32Array, Float64Array, Int64Array, UInt8Array
from pipeline.evaluation.extractors.base import Held, Images, Subset, extract
from pipeline.evaluation.extractors.random_network import random_network
from pipeline.evaluation.measures.distances import NEAR, neighbours
from pipeline.evaluation.measures.fid import Moments, frechet
from pipeline.evaluation.measures.modes import COVERED_SHARE, histogram
from pipeline.evaluation.measures.vendi import vendi

MOST = 10_000  # real images that are looked at
RIDGE = 1e-2  # of the linear classifier, relative to the mean variance of its standardised features
BELIEVED = 0.6  # accuracy on real images below which its classes say nothing
BATCH = 256
REDRAWN = 20


class QuickLook:
    """Samples beside real images `[n, H, W, C]`, with `labels` [n] (-1 unknown) of `classes`.

    Both sides of a comparison hold `samples` images, or as many as there are real ones.
    """

    def __init__(
        self,
        real: Images,
        labels: Int64Array,
        classes: int,
        channels: int,
        samples: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.extractor = random_network(channels, device)
        rng = np.random.default_rng([seed, 77])
        chosen = np.sort(rng.choice(len(real), min(len(real), MOST), replace=False))
        found = extract(self.extractor, Subset(real, chosen), BATCH)
        self.moments = Moments.of(found)
        self.beside = found[rng.choice(len(found), min(samples, len(found)), replace=False)]
        near = neighbours(self.beside, 1)[0][:, 0]
        # About their mean and in their own units: as they are, all of them point nearly the same way.
        self.mean, self.scale = found.mean(axis=0), found.std(axis=0) + 1e-6
        self.trained = len(real)
        self.near, self.vendi, self.spread = (
            float(np.quantile(near, NEAR)),
            vendi((self.beside - self.mean) / self.scale),
            spread(self.beside),
        )
        again = [
            frechet(Moments.of(found[rng.integers(len(found), size=max(samples, 2))]), self.moments)
            for _ in range(REDRAWN)
        ]
        self.error = float(np.std(again, ddof=1))
        self.classifier = Linear(found, labels[chosen], classes) if classes > 1 else None

    def __call__(self, samples: UInt8Array) -> Mapping[str, float]:
        """Of uint8 samples [n, H, W, C], n >= 2:

        `fid`: Fréchet distance to the real images, 0 at best; `fid_error`: its standard deviation, of as many real images drawn again;
        `diversity`: Vendi score of standardised features over that of real images; `distance`: root mean square pairwise distance over
        theirs; `near_duplicates`: share nearer to another sample than 99 % of real images are to each other, beyond what as many draws of the
        training images would repeat (that is overfitting, not collapse), over the most that can be; `classes`: share of the classes that hold
        at least a quarter of their real share (absent without labels).
        """
        found = extract(self.extractor, Held(samples), BATCH)
        # The more there are the nearer they lie: few training images are compared with as few samples at a time.
        n = len(self.beside)
        parts = [found[start : start + n] for start in range(0, max(len(found) - n, 0) + 1, n)]
        near = np.concatenate([neighbours(part, 1)[0][:, 0] for part in parts])
        chance = 1 - (1 - 1 / self.trained) ** (len(parts[0]) - 1)
        repeated = float(np.mean(near < self.near)) if self.near > 0 else float(np.mean(near <= 0))
        measured = {
            "fid": frechet(Moments.of(found), self.moments),
            "fid_error": self.error,
            "diversity": float(np.mean([vendi((part - self.mean) / self.scale) for part in parts])) / self.vendi,
            "distance": spread(found) / max(self.spread, 1e-12),
            "near_duplicates": max(0.0, (repeated - chance) / (1 - chance)),
        }
        if self.classifier is not None and self.classifier.accuracy >= BELIEVED:
            measured["classes"] = self.classifier.covered(found)
        return measured


def spread(features: Float32Array) -> float:
    """Root mean square distance between two of the features [n, d]: of all pairs at once, it is twice the total variance."""
    return float(np.sqrt(2 * features.astype(np.float64).var(axis=0, ddof=1).sum()))


class Linear:
    """Classes by ridge regression on standardised features: learnt in milliseconds, good enough to see one go."""

    def __init__(self, features: Float32Array, labels: Int64Array, classes: int) -> None:
        known = labels >= 0
        x = features[known].astype(np.float64)
        self.mean, self.scale = x.mean(axis=0), x.std(axis=0) + 1e-6
        design = self.design(x)
        targets = np.eye(classes)[labels[known]]
        gram = design.T @ design
        self.weights = np.linalg.solve(
            gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), design.T @ targets
        )
        answers = design @ self.weights
        self.accuracy = float(np.mean(answers.argmax(axis=1) == labels[known]))
        self.shares = histogram(answers) / len(answers)

    def design(self, features: Float64Array | Float32Array) -> Float64Array:
        x = (features - self.mean) / self.scale
        return np.concatenate([x, np.ones((len(x), 1))], axis=1)

    def covered(self, features: Float32Array) -> float:
        """Share of the classes seen in real images that the features [n, d] show at least a quarter as often."""
        shares = histogram(self.design(features) @ self.weights) / len(features)
        shown = self.shares > 0
        return float(np.mean(shares[shown] >= COVERED_SHARE * self.shares[shown]))
