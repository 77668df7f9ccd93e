"""The real images that a generator is judged against, and what two sets of real images differ by.

Three parts that share no image: the *reference* (the test split), which neither the generator nor the features have
seen; the *calibration* images, held back from the classifier's training images; and the rest of the training split, on
which the classifier is trained. The null is drawn from the first two together, real images all equally new to the
features: against the classifier's own training images it would be wrong (a network separates what it was trained on
better than anything else), and from the reference alone each half would be smaller, and the distance more biased.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float32Array, Int64Array
from pipeline.errors import InputError
from pipeline.evaluation.cache import remember
from pipeline.evaluation.extractors.base import Extractor, Images, Progress, Subset, extract, quiet
from pipeline.evaluation.extractors.classifier import Labelled
from pipeline.evaluation.measures.fid import Side, fid

CALIBRATION_SEED = 20_140_610
CALIBRATION_MOST = 10_000
CALIBRATION_SHARE = 4  # at most a quarter of the training images is kept from the classifier
PER_DIMENSION = 8
"""Images a feature dimension in the sets that are compared. The null falls with the sets' size and a generator's own distance does
not, so that over ever larger sets every generator fails: at a fixed multiple of the dimensions a ratio means the same for all data."""
DRAWS = 20
DRAWS_WIDE = 5  # with 2048 features a distance takes seconds


def calibration(train: Labelled, test: Labelled) -> Int64Array:
    """Sorted positions in `train` that calibrate: as many as the reference has where that is no more than a quarter; fixed by a seed of its own,
    so that changing evaluate.seed trains no classifier again."""
    size = min(len(test), len(train) // CALIBRATION_SHARE, CALIBRATION_MOST)
    return np.sort(np.random.default_rng(CALIBRATION_SEED).choice(len(train), size, replace=False)).astype(np.int64)


@dataclass(frozen=True)
class Reference:
    """Features of the reference [N, d] and of the calibration images [M, d]."""

    real: Float32Array
    held: Float32Array


def reference(
    extractor: Extractor,
    train: Labelled,
    test: Labelled,
    held: Int64Array,
    batch_size: int,
    cache: Path | None = None,
    progress: Progress = quiet,
) -> Reference:
    """Both parts' features, kept in `cache` under the extractor's weights and the splits' fingerprints."""
    return Reference(
        real=kept(extractor, test, test.fingerprint, batch_size, cache, progress, "reference"),
        held=kept(
            extractor,
            Subset(train, held),
            f"{train.fingerprint} {hashlib.sha256(held.tobytes()).hexdigest()}",
            batch_size,
            cache,
            progress,
            "calibration",
        ),
    )


def kept(
    extractor: Extractor, images: Images, key: str, batch_size: int, cache: Path | None, progress: Progress, label: str
) -> Float32Array:
    """Features of `images`, whom `key` names, from `cache` where they are there."""
    key = f"{extractor.spec.model_dump_json()} {extractor.device.type} {torch.__version__} {key}"
    shapes = {"features": (len(images), extractor.spec.dims)}
    made = remember(
        cache,
        "features",
        key,
        shapes,
        lambda: {"features": torch.from_numpy(extract(extractor, images, batch_size, progress, label))},
        code=(extractor, getattr(extractor, "network", None)),  # an ONNX encoder has no network of the project's
    )
    return made["features"].numpy()


@dataclass(frozen=True)
class Ratio:
    """Distances at one size on both sides, `n`, as means over draws: of generated images (`generated`) and of other real ones (`null`) to real images.

    `spread` is the standard deviation of the null over the draws.
    """

    n: int
    generated: float
    null: float
    spread: float

    @property
    def value(self) -> float | None:
        """generated / null: about 1 for a perfect generator; None where real images do not differ at all."""
        return self.generated / self.null if self.null > 1e-12 else None


def ratio(fake: Float32Array, against: Reference, seed: int) -> Ratio | None:
    """Compares at equal sizes only, because the distance falls with the size (12.7 at 300 items, 0.65 at 5,000 with 512 features).

    Every draw splits the held-out real images in two, and puts the generated images in the place of one half. None where there are too few.
    """
    real = np.concatenate([against.real, against.held])
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
    return Ratio(n, float(np.mean(generated)), float(np.mean(null)), float(np.std(null, ddof=1)))


def require_reference(test: Images) -> None:
    """Raises InputError where there is no test split to judge against."""
    if len(test) < 2:
        raise InputError(
            f"the test split holds {len(test)} image{'s' if len(test) != 1 else ''}, and a generator is judged against it: "
            "set data.test_fraction above 0 (0.2 is usual), or add a test/ folder to the source"
        )
