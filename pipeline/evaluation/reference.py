"""Select the real images that a generator is compared with, and measure the ratio of Fréchet distances.

The real images fall into three parts without a common image:

- the *reference*: the test split, which neither the generator nor the feature extractor was trained on;
- the *calibration* images: part of the training split that the classifier is not trained on;
- the rest of the training split, which the classifier is trained on.

The null of a measure is drawn from the first two parts together, because both are new to the feature extractor. The
classifier's own training images would give a wrong null: a network separates them better than new images. The
reference alone would give smaller halves and a more biased distance.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float32Array, Int64Array
from pipeline.errors import InputError
from pipeline.evaluation.cache import remember
from pipeline.evaluation.extractors.base import (
    Compute,
    Extractor,
    Images,
    Progress,
    Subset,
    compute_here,
    extract,
    quiet,
)
from pipeline.evaluation.extractors.classifier import Labelled
from pipeline.evaluation.measures.fid import Side, fid
from pipeline.evaluation.measures.intervals import interval_of_draws
from pipeline.measure import Interval

CALIBRATION_SEED = 20_140_610
CALIBRATION_MOST = 10_000
CALIBRATION_SHARE = 4
"""The calibration images are at most one in this many training images."""

PER_DIMENSION = 8
"""Images per feature dimension in the sets that are compared.

The null falls with the size of the sets, a generator's own distance does not: over ever larger sets every generator
would fail. At a fixed multiple of the dimensions a ratio means the same for all data.
"""

DRAWS = 20
DRAWS_WIDE = 5  # with 2048 features a distance takes seconds


def select_calibration(train: Labelled, test: Labelled) -> Int64Array:
    """Return the sorted positions in `train` of the calibration images.

    There are as many as the reference has, at most a quarter of the training images and at most 10,000. The seed is
    fixed, so a change of `evaluate.seed` does not retrain the classifier.
    """
    size = min(len(test), len(train) // CALIBRATION_SHARE, CALIBRATION_MOST)
    return np.sort(np.random.default_rng(CALIBRATION_SEED).choice(len(train), size, replace=False)).astype(np.int64)


@dataclass(frozen=True)
class Reference:
    """Features of the reference images, `real` [N, d], and of the calibration images, `calibration` [M, d]."""

    real: Float32Array
    calibration: Float32Array


def extract_reference(
    extractor: Extractor,
    train: Labelled,
    test: Labelled,
    calibration: Int64Array,
    *,
    batch_size: int,
    cache: Path | None = None,
    progress: Progress = quiet,
    compute: Compute = compute_here,
) -> Reference:
    """Return the features of the test split and of the calibration images.

    Args:
        extractor: Computes the features.
        train: Training split.
        test: Test split.
        calibration: Positions of the calibration images in `train`.
        batch_size: Images per forward pass.
        cache: Folder that keeps the features; None keeps nothing.
        progress: Shows the progress.
        compute: Computes features that the cache lacks.
    """
    key = f"{train.fingerprint} {hashlib.sha256(calibration.tobytes()).hexdigest()}"

    def features(images: Images, key: str, label: str) -> Float32Array:
        return load_or_extract(
            extractor, images, key, batch_size=batch_size, cache=cache, progress=progress, label=label, compute=compute
        )

    return Reference(
        real=features(test, test.fingerprint, "reference"),
        calibration=features(Subset(train, calibration), key, "calibration"),
    )


def load_or_extract(
    extractor: Extractor,
    images: Images,
    key: str,
    *,
    batch_size: int,
    cache: Path | None,
    progress: Progress,
    label: str,
    compute: Compute = compute_here,
) -> Float32Array:
    """Return the features of `images`, [n, d], from the cache if they were computed before.

    Args:
        extractor: Computes the features.
        images: uint8 images [n, H, W, C].
        key: Identifies the images in the cache.
        batch_size: Images per forward pass.
        cache: Folder that keeps the features; None keeps nothing.
        progress: Shows the progress, named `label`.
        label: What the images are.
        compute: Computes features that the cache lacks.
    """
    key = f"{extractor.spec.model_dump_json()} {extractor.device.type} {torch.__version__} {key}"
    shapes = {"features": (len(images), extractor.spec.dims)}
    tensors = remember(
        cache,
        "features",
        key,
        shapes,
        lambda: {"features": torch.from_numpy(extract(extractor, images, batch_size, progress, label, compute))},
        code=extractor.code,
    )
    return tensors["features"].numpy()


@dataclass(frozen=True)
class Ratio:
    """Mean Fréchet distances to real images, with the same number of images on both sides.

    Attributes:
        n: Images on either side.
        generated: Mean distance of generated images over the draws.
        null: Mean distance of other real images.
        spread: Standard deviation of the null over the draws.
        interval: Interval of `generated` over the draws; None if unknown.
    """

    n: int
    generated: float
    null: float
    spread: float
    interval: Interval | None = None

    @property
    def value(self) -> float | None:
        """`generated` / `null`: about 1 for a perfect generator; None if real images do not differ at all."""
        return self.generated / self.null if self.null > 1e-12 else None


def ratio(fake: Float32Array, against: Reference, seed: int) -> Ratio | None:
    """Measure how much further generated images are from real images than other real images are.

    Sets of equal size are compared, because the distance falls with the size: with 512 features, two sets of real
    images are 12.7 apart with 300 images, and 0.65 apart with 5,000. Each draw splits the held-out real images in two
    halves and then replaces one half by generated images.

    Args:
        fake: Features of generated images, [n, d].
        against: Features of real images.
        seed: Seed of the draws.

    Returns:
        The distances; None with fewer than 2 images on either side.
    """
    real = np.concatenate([against.real, against.calibration])
    n = min(len(fake), len(real) // 2, PER_DIMENSION * fake.shape[1])
    if n < 2:
        return None
    rng = np.random.default_rng(seed)
    generated, null = [], []
    for _ in range(DRAWS if fake.shape[1] <= 512 else DRAWS_WIDE):
        order = rng.permutation(len(real))
        half, other = Side(real[order[:n]]), real[order[n : 2 * n]]
        generated.append(fid(fake[rng.choice(len(fake), n, replace=False)], half))
        null.append(fid(other, half))
    return Ratio(
        n,
        float(np.mean(generated)),
        float(np.mean(null)),
        float(np.std(null, ddof=1)),
        interval_of_draws(generated),
    )


def require_reference(test: Images) -> None:
    """Raise InputError if the test split holds fewer than 2 images."""
    if len(test) < 2:
        raise InputError(
            f"the test split has {len(test)} image{'s' if len(test) != 1 else ''}, but evaluation needs at least 2: "
            "set data.test_fraction above 0 (0.2 is usual) or add a test/ folder to the source"
        )
