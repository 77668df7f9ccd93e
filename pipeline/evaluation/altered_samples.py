"""Find samples that are altered in a way that the medium knows."""

from collections.abc import Sequence

import numpy as np
import torch

from pipeline.arrays import Items
from pipeline.evaluation.cache import Tensors, remember
from pipeline.evaluation.extractors.alteration_classifier import AlterationClassifier, train_alteration_classifier
from pipeline.evaluation.measures.altered import LEAST, Altered, Detector, fit_detector, score
from pipeline.evaluation.measures.copies import choose
from pipeline.evaluation.real_data import RealData
from pipeline.media.alteration import Alteration

SAMPLES_MOST, HELDOUT_MOST = 5000, 2000


def find_altered(samples: Items, real: RealData) -> Altered | None:
    """Score samples by a classifier of the alterations, with thresholds from held-out items.

    Args:
        samples: Stored items, [n, H, W, C].
        real: The real data.

    Returns:
        None for a medium without alterations, without samples, or with fewer than 100 test items.
    """
    alterations = real.medium.alterations(real.item)
    if not alterations or not len(samples) or len(real.test) < LEAST:
        return None
    classifier = train_alteration_classifier(
        real.train,
        real.calibration_positions,
        real.item,
        alterations,
        real.device,
        folder=real.cache,
        progress=real.progress,
    )
    names, groups = [one.name for one in alterations], [one.group for one in alterations]
    detectors = dict(zip(names, fit_detectors(classifier, real, alterations), strict=True))
    positions = choose(len(samples), SAMPLES_MOST)
    probabilities = classifier.probabilities(samples[positions], real.settings.batch_size)
    scores = dict(zip(names, score(probabilities, groups).T, strict=True))
    return Altered(positions, probabilities[:, 0], scores, detectors)


def fit_detectors(
    classifier: AlterationClassifier, real: RealData, alterations: Sequence[Alteration]
) -> list[Detector | None]:
    """Return a detector of each alteration, from intact and altered held-out items; None if it is not recognised."""
    chosen, groups = choose(len(real.test), HELDOUT_MOST), [one.group for one in alterations]

    def fit() -> Tensors:
        items = real.test.images(chosen)
        intact = score(classifier.probabilities(items, real.settings.batch_size), groups)
        rows = np.full((len(alterations), 3), np.nan)
        for k, alteration in enumerate(alterations):
            altered = score(classifier.probabilities(alteration.apply(items), real.settings.batch_size), groups)
            found = fit_detector(intact[:, k], altered[:, k])
            if found is not None:
                rows[k] = found.threshold, found.intact, found.altered
        return {"detectors": torch.from_numpy(rows)}

    key = f"{classifier.spec.sha256} {real.test.fingerprint} {HELDOUT_MOST}"
    shapes = {"detectors": (len(alterations), 3)}
    rows = remember(real.cache, "detectors", key, shapes, fit, code=(real.medium, classifier))["detectors"].tolist()
    return [None if np.isnan(at) else Detector(at, intact, altered, len(chosen)) for at, intact, altered in rows]
