"""A classifier that tells intact items from altered ones; altered training items are its examples.

To predict how an image was turned teaches a network what images show (Gidaris et al., "Unsupervised Representation
Learning by Predicting Image Rotations", 2018). Here the prediction itself is used: it finds altered samples.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float64Array, Int64Array, Items
from pipeline.evaluation import cache
from pipeline.evaluation.extractors.base import (
    ArrayItems,
    FeatureSpec,
    Progress,
    digest,
    extract,
    quiet,
)
from pipeline.evaluation.extractors.classifier import Classifier, Labelled, Recipe, fit_classifier, initialise
from pipeline.items import ItemSpec
from pipeline.media.alteration import Alteration
from pipeline.media.registry import MEDIA, tensors_of

SEED = 20_180_321
MIN_STEPS, MAX_STEPS = 200, 400


class AlterationClassifier(Classifier):
    """The trained network; class 0 is intact, the others are the alterations."""

    def probabilities(self, items: Items, batch_size: int) -> Float64Array:
        """Return the probability that an item is intact, and of each alteration, [n, 1 + alterations]."""
        return self.predict(extract(self, ArrayItems(items), batch_size)).astype(np.float64)


def train_alteration_classifier(
    train: Labelled,
    leave_out: Int64Array,
    item: ItemSpec,
    alterations: Sequence[Alteration],
    device: torch.device,
    *,
    folder: Path | None = None,
    progress: Progress = quiet,
) -> AlterationClassifier:
    """Train the classifier on a training split; the same seed, data and machine give the same weights.

    Args:
        train: The training split.
        leave_out: Positions in `train` that are not used.
        item: Shape of the items.
        alterations: What it learns to recognise.
        device: Where it is trained.
        folder: Cache of the weights, keyed by the split's fingerprint; None keeps nothing.
        progress: Shows the progress.
    """
    positions = np.setdiff1d(np.arange(len(train)), leave_out)
    kinds = item.model_copy(update={"classes": ("intact", *(one.name for one in alterations))})
    chosen = hashlib.sha256(positions.tobytes()).hexdigest()
    key = f"{item.shape} {item.symbols} {kinds.classes} {train.fingerprint} {chosen} {device.type} {torch.__version__}"
    network = initialise(kinds, SEED)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    state = cache.remember(
        folder,
        "alterations",
        key,
        shapes,
        lambda: fit(train, positions, kinds, alterations, device, progress=progress),
        code=(MEDIA[item.medium],),
    )
    network.load_state_dict(state)
    sha256 = digest(state)
    spec = FeatureSpec(name="alterations", sha256=sha256, dims=network.dims, resize="none", value_range="-1..1")
    return AlterationClassifier(spec, network, tensors_of(kinds), device)


def fit(
    train: Labelled,
    positions: Int64Array,
    kinds: ItemSpec,
    alterations: Sequence[Alteration],
    device: torch.device,
    *,
    progress: Progress,
) -> cache.Tensors:
    """Train from scratch, on randomly shifted items of which each is intact or altered in a random way."""

    def examples(chosen: Int64Array, rng: np.random.Generator) -> tuple[Items, Int64Array]:
        return alter(train.images(chosen), alterations, rng)

    recipe = Recipe(SEED, (MIN_STEPS, MAX_STEPS), "alterations")
    return fit_classifier(examples, positions, kinds, recipe, device=device, progress=progress)


def alter(items: Items, alterations: Sequence[Alteration], rng: np.random.Generator) -> tuple[Items, Int64Array]:
    """Return items of which each is left intact (0) or altered (1 + k), and which it is, [n]."""
    labels = rng.integers(0, 1 + len(alterations), len(items))
    out = items.copy()
    for k, alteration in enumerate(alterations, 1):
        if (labels == k).any():
            out[labels == k] = alteration.apply(items)[labels == k]
    return out, labels
