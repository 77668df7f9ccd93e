"""The default extractor for data with labels: a small classifier, trained on the data set's own training items.

It never sees the reference (the test split) nor the calibration items, so both are equally new to it. Its last layer
but one is the feature space; its logits say which class a sample shows.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.arrays import Float32Array, Int64Array, Items
from pipeline.evaluation import cache
from pipeline.evaluation.extractors.base import (
    Extractor,
    FeatureSpec,
    Images,
    Progress,
    digest,
    exact,
    feature_values,
    quiet,
)
from pipeline.evaluation.extractors.classifier_network import ClassifierNetwork
from pipeline.evaluation.extractors.fitting import fit_network, limit_items, threads_for
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.memory_format import channels_last

SEED = 20_140_610
MIN_STEPS, MAX_STEPS = 200, 500


class Labelled(Images, Protocol):
    """Items with a class each."""

    @property
    def labels(self) -> Int64Array:
        """int64 [N], -1 where the class is not known."""
        ...

    @property
    def fingerprint(self) -> str:
        """Digest of the items, for the cache."""
        ...


class Classifier(Extractor):
    """The trained network as an extractor that also predicts classes."""

    network: ClassifierNetwork

    def predict(self, features: Float32Array) -> Float32Array:
        """Return class probabilities float32 [N, K] of features [N, d]."""
        with torch.inference_mode():
            logits = self.network.head(torch.from_numpy(features).to(self.device))
            return logits.softmax(dim=1).cpu().numpy()  # type: ignore[no-any-return]


def train_classifier(
    train: Labelled,
    leave_out: Int64Array,
    item: ItemSpec,
    device: torch.device,
    *,
    folder: Path | None = None,
    progress: Progress = quiet,
) -> Classifier:
    """Train a classifier on a training split; the same seed, data and machine give the same weights.

    Args:
        leave_out: Positions in `train` that are not used. Items without a label (-1) are not used either.
        folder: Cache of the weights, keyed by the split's fingerprint; None keeps nothing.
    """
    usable = np.flatnonzero(train.labels >= 0)
    positions = np.setdiff1d(usable, leave_out)
    shape = f"{item.shape} {item.symbols} {len(item.classes)} classes"
    chosen = hashlib.sha256(positions.tobytes()).hexdigest()
    key = f"{shape} {train.fingerprint} {chosen} {device.type} {torch.__version__}"
    network = initialise(item)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    tensors = tensors_of(item)
    state = cache.remember(
        folder,
        "classifier",
        key,
        shapes,
        lambda: fit(train, positions, item, device, progress),
        code=(tensors,),
    )
    network.load_state_dict(state)
    spec = FeatureSpec(name="classifier", sha256=digest(state), dims=network.dims, resize="none", value_range="-1..1")
    return Classifier(spec, network, tensors, device)


def fit(
    train: Labelled, positions: Int64Array, item: ItemSpec, device: torch.device, progress: Progress
) -> cache.Tensors:
    """Train from scratch, on randomly shifted items."""

    def examples(chosen: Int64Array, rng: np.random.Generator) -> tuple[Items, Int64Array]:
        return train.images(chosen), train.labels[chosen]

    recipe = Recipe(SEED, (MIN_STEPS, MAX_STEPS), "classifier")
    return fit_classifier(examples, positions, item, recipe, device=device, progress=progress)


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes:
        seed: Seed of weights, order and shifts.
        steps: Fewest and most steps.
        label: What the progress shows.
    """

    seed: int
    steps: tuple[int, int]
    label: str


def fit_classifier(
    examples: Callable[[Int64Array, np.random.Generator], tuple[Items, Int64Array]],
    positions: Int64Array,
    item: ItemSpec,
    recipe: Recipe,
    *,
    device: torch.device,
    progress: Progress,
) -> cache.Tensors:
    """Train a classifier from scratch, on randomly shifted items.

    Args:
        examples: Maps positions [n] to items [n, H, W, C] and their classes [n]; it may draw random numbers.
        positions: What it is trained on.
        item: Shape and classes of the items.
        recipe: Seed, steps and label.
        device: Where it is trained.
        progress: Shows the progress.
    """
    rng, tensors = np.random.default_rng(recipe.seed), tensors_of(item)
    positions = limit_items(positions, rng)
    network = channels_last(initialise(item, recipe.seed).to(device)).train()
    shifts = torch.Generator().manual_seed(recipe.seed)

    def loss_of(chosen: Int64Array) -> Tensor:
        items, labels = examples(positions[chosen], rng)
        values = tensors.shift(feature_values(items, tensors, device), shifts)
        logits = network.head(network(values))
        return F.cross_entropy(logits, torch.from_numpy(labels).to(device), label_smoothing=0.05)

    with exact(device), threads_for(item.height * item.width):
        fit_network(network, len(positions), rng, loss_of, steps=recipe.steps, progress=progress, label=recipe.label)
    return {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}


def initialise(item: ItemSpec, seed: int = SEED) -> ClassifierNetwork:
    """Return the network with its seeded initial weights; the global random state is unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ClassifierNetwork(item)
