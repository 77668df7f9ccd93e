"""Stacked digits: three of scikit-learn's 8x8 digits as the channels of one image, a thousand modes whose shares are known.

The protocol is Stacked MNIST's (Metz 2017, "Unrolled GANs"; Srivastava 2017, VEEGAN; Lin 2018, PacGAN) with other digits: 128,000
random triples to train on, 26,000 samples, each channel named by a classifier of single digits.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.modes.metrics import Coverage, of_triples
from pipeline.arrays import Int64Array, UInt8Array
from pipeline.evaluation.extractors.base import Held, extract
from pipeline.evaluation.extractors.classifier import Classifier, classifier
from pipeline.items import ItemSpec

TRAINING_TRIPLES, EVALUATED_TRIPLES = 128_000, 26_000
TRAINING_SHARE = 0.8
CLASSES = 10
SEED = 0


@dataclass(frozen=True)
class Digits:
    """Single digits: uint8 [n, 8, 8, 1] in 0..255, and their classes int64 [n]."""

    pixels: UInt8Array
    labels: Int64Array
    fingerprint: str

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: npt.ArrayLike | None = None) -> UInt8Array:
        return self.pixels if indices is None else self.pixels[np.asarray(indices, dtype=np.int64)]


def digits() -> tuple[Digits, Digits]:
    """The training part, four fifths at random, and the held-out rest."""
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
    """`n` triples of random digits, uint8 [n, 8, 8, 3]: every mode as likely as its digits are frequent, near enough 1/1000."""

    def __init__(self, source: Digits, n: int, seed: int) -> None:
        picked = np.random.default_rng([SEED, seed]).integers(len(source), size=(n, 3))
        self.pixels: UInt8Array = np.ascontiguousarray(source.pixels[picked][..., 0].transpose(0, 2, 3, 1))
        self.labels: Int64Array = source.labels[picked] @ np.array([100, 10, 1])

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: npt.ArrayLike | None = None) -> UInt8Array:
        return self.pixels if indices is None else self.pixels[np.asarray(indices, dtype=np.int64)]


class Judge:
    """Names the digits of triples, by a classifier trained on the training part alone; `accuracy` is its share of right answers on the held-out one."""

    def __init__(self, device: torch.device) -> None:
        self.train, held_out = digits()
        item = ItemSpec(height=8, width=8, channels=1, classes=tuple(map(str, range(CLASSES))))
        self.classifier: Classifier = classifier(
            self.train,
            np.empty(0, dtype=np.int64),
            item,
            device,
        )
        self.accuracy = float(np.mean(self.named(held_out.pixels) == held_out.labels))

    def named(self, pixels: UInt8Array) -> Int64Array:
        """Classes int64 [n] of single digits [n, 8, 8, 1]."""
        probabilities = self.classifier.predict(extract(self.classifier, Held(pixels), 4096))
        classes: Int64Array = np.argmax(probabilities, axis=1)
        return classes

    def coverage(self, triples: UInt8Array) -> Coverage:
        """Of uint8 [n, 8, 8, 3], each channel named on its own."""
        channels = [self.named(np.ascontiguousarray(triples[..., channel : channel + 1])) for channel in range(3)]
        return of_triples(np.stack(channels, axis=1), CLASSES)

    def perfect(self, seed: int) -> Coverage:
        """Of fresh triples of the training digits: a sampler that has learnt them exactly."""
        return self.coverage(Triples(self.train, EVALUATED_TRIPLES, seed).pixels)
