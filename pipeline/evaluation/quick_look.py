"""A quick look at a generator during training: the distance of its samples to real items, and their variety.

It is cheap, and always uses the features of the untrained network, so the looks of one training are comparable. They
detect collapse, divergence and blur, and rank the generators of one training. They do not replace the evaluation.
"""

from collections.abc import Mapping

import numpy as np
import torch

from pipeline.arrays import Float32Array, Float64Array, Int64Array, Items
from pipeline.evaluation.extractors.base import ArrayItems, Images, Subset, extract
from pipeline.evaluation.extractors.random_network import open_random_network
from pipeline.evaluation.measures.distances import NEAR, neighbours
from pipeline.evaluation.measures.fid import Moments, frechet
from pipeline.evaluation.measures.modes import COVERED_SHARE, histogram
from pipeline.evaluation.measures.vendi import vendi
from pipeline.items import ItemSpec

MOST = 10_000
"""Most real items that are read."""

RIDGE = 1e-2
"""Regularisation of the linear classifier, relative to the mean variance of its standardised features."""

RELIABLE = 0.6
"""Accuracy on real items below which the linear classifier is not used."""

BATCH = 256

REDRAWN = 20
"""Sets of real items that the standard deviation of the Fréchet distance is estimated from."""


class QuickLook:
    """Compares samples with real items.

    Args:
        real: The real items.
        item: Their spec.
        samples: Items on each side of a comparison of variety, or as many as there are real ones.
        labels: int64 [len(real)], -1 if unknown; None measures no classes.
    """

    def __init__(
        self,
        real: Images,
        item: ItemSpec,
        *,
        samples: int,
        seed: int,
        device: torch.device,
        labels: Int64Array | None = None,
    ) -> None:
        self.extractor = open_random_network(item, device)
        rng = np.random.default_rng([seed, 77])
        chosen = np.sort(rng.choice(len(real), min(len(real), MOST), replace=False))
        features = extract(self.extractor, Subset(real, chosen), BATCH)
        self.moments = Moments.of(features)
        reference = features[rng.choice(len(features), min(samples, len(features)), replace=False)]
        self.size = len(reference)
        # Standardised: raw features all point in nearly the same direction.
        self.mean, self.scale = features.mean(axis=0), features.std(axis=0) + 1e-6
        self.trained = len(real)
        self.near = float(np.quantile(nearest_distance(reference), NEAR))
        self.vendi, self.spread = vendi((reference - self.mean) / self.scale), spread(reference)
        redrawn = [
            frechet(Moments.of(features[rng.integers(len(features), size=max(samples, 2))]), self.moments)
            for _ in range(REDRAWN)
        ]
        self.error = float(np.std(redrawn, ddof=1))
        classes = 0 if labels is None else len(item.classes)
        self.classifier = (
            LinearClassifier(features, labels[chosen], classes) if labels is not None and classes > 1 else None
        )

    def __call__(self, samples: Items) -> Mapping[str, float]:
        """Measure stored items [n, H, W, C], n >= 2.

        Returns:
            fid: Fréchet distance to the real items; 0 is best.
            fid_error: Its standard deviation, estimated from sets of redrawn real items.
            diversity: Vendi score of standardised features, relative to real items.
            distance: Root mean square distance between two samples, relative to real items.
            near_duplicates: Share of samples that are closer to another sample than 99 % of real items are to each
                other. The share that repeats by chance in draws from the training items is subtracted, and the rest is
                divided by the largest possible value: repeating training items is overfitting, not collapse.
            classes: Share of the classes that have at least a quarter of their real share; absent without labels, and
                if the classifier is not reliable.
        """
        features = extract(self.extractor, ArrayItems(samples), BATCH)
        # Distances shrink with the number of items: compare as many samples at a time as there are real items.
        starts = range(0, max(len(features) - self.size, 0) + 1, self.size)
        parts = [features[start : start + self.size] for start in starts]
        near = np.concatenate([nearest_distance(part) for part in parts])
        chance = 1 - (1 - 1 / self.trained) ** (len(parts[0]) - 1)
        repeated = float(np.mean(near < self.near)) if self.near > 0 else float(np.mean(near <= 0))
        numbers = {
            "fid": frechet(Moments.of(features), self.moments),
            "fid_error": self.error,
            "diversity": float(np.mean([vendi((part - self.mean) / self.scale) for part in parts])) / self.vendi,
            "distance": spread(features) / max(self.spread, 1e-12),
            "near_duplicates": max(0.0, (repeated - chance) / (1 - chance)),
        }
        if self.classifier is not None and self.classifier.accuracy >= RELIABLE:
            numbers["classes"] = self.classifier.covered_share(features)
        return numbers


def nearest_distance(features: Float32Array) -> Float64Array:
    """Return the distance of each of the features [n, d] to its nearest neighbour, [n]."""
    distances: Float64Array = neighbours(features, 1)[0][:, 0]
    return distances


def spread(features: Float32Array) -> float:
    """Return the root mean square distance between two of the features [n, d].

    Its square is twice the total variance.
    """
    return float(np.sqrt(2 * features.astype(np.float64).var(axis=0, ddof=1).sum()))


class LinearClassifier:
    """Classes by ridge regression on standardised features: fitted in milliseconds, accurate enough to miss a class.

    Args:
        features: Of real items, [n, d].
        labels: int64 [n], -1 if unknown.
        classes: Number of classes.
    """

    def __init__(self, features: Float32Array, labels: Int64Array, classes: int) -> None:
        known = labels >= 0
        x = features[known].astype(np.float64)
        self.mean, self.scale = x.mean(axis=0), x.std(axis=0) + 1e-6
        design = self.design_matrix(x)
        targets = np.eye(classes)[labels[known]]
        gram = design.T @ design
        self.weights = np.linalg.solve(
            gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), design.T @ targets
        )
        logits = design @ self.weights
        self.accuracy = float(np.mean(logits.argmax(axis=1) == labels[known]))
        self.shares = histogram(logits) / len(logits)

    def design_matrix(self, features: Float64Array | Float32Array) -> Float64Array:
        """Return standardised features with a column of ones, [n, d + 1]."""
        x = (features - self.mean) / self.scale
        return np.concatenate([x, np.ones((len(x), 1))], axis=1)

    def covered_share(self, features: Float32Array) -> float:
        """Return the share of the real classes that the features [n, d] show at least a quarter as often."""
        shares = histogram(self.design_matrix(features) @ self.weights) / len(features)
        present = self.shares > 0
        return float(np.mean(shares[present] >= COVERED_SHARE * self.shares[present]))
