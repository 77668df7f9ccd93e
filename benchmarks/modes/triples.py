"""Stacked digits: three of scikit-learn's 8x8 digits as the channels of one image, 1,000 modes.

The protocol is that of Stacked MNIST (Metz 2017, "Unrolled GANs"; Srivastava 2017, VEEGAN; Lin 2018, PacGAN) with other
digits: 128,000 random triples for training, 26,000 samples, and a classifier that labels each channel.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.modes.metrics import Coverage, coverage_of_triples
from pipeline.arrays import Int64Array, UInt8Array
from pipeline.evaluation.extractors.base import ArrayItems, extract
from pipeline.evaluation.extractors.classifier import Classifier, train_classifier
from pipeline.items import ItemSpec

TRAINING_TRIPLES, EVALUATED_TRIPLES = 128_000, 26_000
TRAINING_SHARE = 0.8
CLASSES = 10
SEED = 0


@dataclass(frozen=True)
class Digits:
    """Single digits: `pixels` uint8 [n, 8, 8, 1], `labels` int64 [n]."""

    pixels: UInt8Array
    labels: Int64Array
    fingerprint: str

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: npt.ArrayLike | None = None) -> UInt8Array:
        """Return the images at `indices`, or all."""
        return self.pixels if indices is None else self.pixels[np.asarray(indices, dtype=np.int64)]


def digits() -> tuple[Digits, Digits]:
    """Return the training part, 80 % at random, and the held-out part."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = data.target.astype(np.int64)
    order = np.random.default_rng(SEED).permutation(len(labels))
    cut = round(TRAINING_SHARE * len(labels))
    first, second = (
        Digits(pixels[part], labels[part], f"{name} part of the digits")
        for name, part in (("training", order[:cut]), ("held-out", order[cut:]))
    )
    return first, second


class Triples:
    """`n` triples of random digits, uint8 [n, 8, 8, 3]. The probability of each mode is close to 1/1000."""

    item = ItemSpec(height=8, width=8, channels=3)

    def __init__(self, source: Digits, n: int, seed: int) -> None:
        picked = np.random.default_rng([SEED, seed]).integers(len(source), size=(n, 3))
        self.pixels: UInt8Array = np.ascontiguousarray(source.pixels[picked][..., 0].transpose(0, 2, 3, 1))
        self.labels: Int64Array = source.labels[picked] @ np.array([100, 10, 1])

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: npt.ArrayLike | None = None) -> UInt8Array:
        """Return the images at `indices`, or all."""
        return self.pixels if indices is None else self.pixels[np.asarray(indices, dtype=np.int64)]


class TripleClassifier:
    """Classify the digits of triples; `accuracy` is that of the classifier on held-out digits."""

    def __init__(self, device: torch.device) -> None:
        self.train, held_out = digits()
        item = ItemSpec(height=8, width=8, channels=1, classes=tuple(map(str, range(CLASSES))))
        self.classifier: Classifier = train_classifier(
            self.train,
            np.empty(0, dtype=np.int64),
            item,
            device,
        )
        self.accuracy = float(np.mean(self.classify(held_out.pixels) == held_out.labels))

    def classify(self, pixels: UInt8Array) -> Int64Array:
        """Return the classes int64 [n] of single digits [n, 8, 8, 1]."""
        probabilities = self.classifier.predict(extract(self.classifier, ArrayItems(pixels), 4096))
        classes: Int64Array = np.argmax(probabilities, axis=1)
        return classes

    def coverage(self, triples: UInt8Array) -> Coverage:
        """Return the coverage of the 1,000 modes by uint8 [n, 8, 8, 3]; each channel is classified separately."""
        channels = [self.classify(np.ascontiguousarray(triples[..., channel : channel + 1])) for channel in range(3)]
        return coverage_of_triples(np.stack(channels, axis=1), CLASSES)

    def evaluate_true_sampler(self, seed: int) -> Coverage:
        """Evaluate new triples of the training digits, the best possible result."""
        return self.coverage(Triples(self.train, EVALUATED_TRIPLES, seed).pixels)
