"""The default extractor for data without labels: a network that learns from the items alone, by contrast.

It learns to recognise two distorted views of one item among those of other items (Chen et al., "A Simple Framework for
Contrastive Learning of Visual Representations", 2020). Like the classifier, it sees neither the reference nor the
calibration items. What it learns is blind to noise and to artefacts of compression, so the statistics of the untrained
network are added to its features.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.arrays import Float32Array, Int64Array
from pipeline.evaluation import cache
from pipeline.evaluation.extractors.base import (
    Extractor,
    FeatureSpec,
    Progress,
    Subset,
    count_features,
    digest,
    exact,
    extract,
    feature_values,
    quiet,
)
from pipeline.evaluation.extractors.classifier import Labelled
from pipeline.evaluation.extractors.classifier_network import ConvolutionalBody
from pipeline.evaluation.extractors.fitting import BATCH, fit_network, limit_items, threads_for
from pipeline.evaluation.extractors.random_network import RandomNetwork
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.memory_format import channels_last

SEED = 20_200_213
MIN_STEPS, MAX_STEPS = 100, 300
TEMPERATURE = 0.2
PROJECTION = 64
"""Dimensions of the space in which views are compared."""

TEXTURE_SHARE = 0.25
"""Variance of the texture features over that of the learned ones."""

SCALED_BY = 2_000
"""Training items that the scale of the texture features is computed from, at most."""


class ContrastiveNetwork(nn.Module):
    """Maps values [n, C, H, W] in 0 .. 255 to features [n, d]: those of `body`, which learns, and of `texture`.

    `head` maps the features of `body` to the space of the comparison. `mean` and `scale` standardise the texture.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, item: ItemSpec) -> None:
        super().__init__()
        tensors = tensors_of(item)
        seen = tensors.feature_item
        self.body = tensors.classifier_body() or ConvolutionalBody(seen)
        self.texture = tensors.random_network() or RandomNetwork(seen.network_channels)
        learned, fixed = count_features(self.body, seen), count_features(self.texture, seen)
        self.dims = learned + fixed
        self.register_buffer("mean", torch.zeros(fixed))
        self.register_buffer("scale", torch.ones(fixed))
        self.head = nn.Sequential(
            nn.Linear(learned, 2 * PROJECTION),
            nn.BatchNorm1d(2 * PROJECTION),
            nn.ReLU(),
            nn.Linear(2 * PROJECTION, PROJECTION),
        )

    def forward(self, values: Tensor) -> Tensor:
        return torch.cat([self.body(values), (self.texture(values) - self.mean) * self.scale], dim=1)

    def standardise(self, features: Float32Array) -> None:
        """Set `mean` and `scale` by features [n, d] of training items that `forward` returned before."""
        values, fixed = torch.from_numpy(features), len(self.mean)
        learned, texture = values[:, :-fixed], values[:, -fixed:]
        share = TEXTURE_SHARE * learned.var(dim=0).sum() / len(self.mean)
        self.mean.copy_(texture.mean(dim=0))
        self.scale.copy_(share.sqrt() / texture.std(dim=0).clamp(min=1e-3))


class Contrastive(Extractor):
    """The trained network as an extractor.

    Attributes:
        accuracy: Share of the views of held-out items whose other view is the nearest of 255; chance is 0.4 %.
    """

    accuracy: float


def train_contrastive(
    train: Labelled,
    leave_out: Int64Array,
    item: ItemSpec,
    device: torch.device,
    *,
    folder: Path | None = None,
    progress: Progress = quiet,
) -> Contrastive:
    """Train the network on a training split; the same seed, data and machine give the same weights.

    Args:
        leave_out: Positions in `train` that are not trained on; they measure the accuracy.
        folder: Cache of the weights, keyed by the split's fingerprint; None keeps nothing.
    """
    positions = np.setdiff1d(np.arange(len(train)), leave_out)
    chosen = hashlib.sha256(positions.tobytes()).hexdigest()
    key = f"{item.shape} {item.symbols} {train.fingerprint} {chosen} {device.type} {torch.__version__}"
    network = initialise(item)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()} | {"accuracy": ()}
    tensors = tensors_of(item)
    state = cache.remember(
        folder,
        "contrastive",
        key,
        shapes,
        lambda: fit(train, positions, leave_out, item, device, progress=progress),
        code=(tensors,),
    )
    accuracy = float(state.pop("accuracy"))
    network.load_state_dict(state)
    sha256 = digest({name: value for name, value in state.items() if not name.startswith("head.")})
    extractor = Contrastive(describe(network, sha256), network, tensors, device)
    extractor.accuracy = accuracy
    return extractor


def describe(network: ContrastiveNetwork, sha256: str) -> FeatureSpec:
    """Return the name and preprocessing of the features."""
    return FeatureSpec(name="contrastive", sha256=sha256, dims=network.dims, resize="none", value_range="-1..1")


def fit(
    train: Labelled,
    positions: Int64Array,
    held_out: Int64Array,
    item: ItemSpec,
    device: torch.device,
    *,
    progress: Progress,
) -> cache.Tensors:
    """Train from scratch, on two distorted views of each item of a batch."""
    rng, draws = np.random.default_rng(SEED), torch.Generator().manual_seed(SEED)
    positions = limit_items(positions, rng)
    network = channels_last(initialise(item).to(device)).train()

    def loss_of(chosen: Int64Array) -> Tensor:
        values = draw_views(train, positions[chosen], item, device, draws)
        logits, targets = compare_views(network.head(network.body(values)))
        return F.cross_entropy(logits, targets)

    with exact(device), threads_for(item.height * item.width):
        steps = MIN_STEPS, MAX_STEPS
        fit_network(network, len(positions), rng, loss_of, steps=steps, progress=progress, label="features")
        network.eval()
        sample = Subset(train, np.sort(rng.choice(positions, min(len(positions), SCALED_BY), replace=False)))
        scaled = Extractor(describe(network, ""), network, tensors_of(item), device)
        network.standardise(extract(scaled, sample, BATCH))
        values = draw_views(train, (held_out if len(held_out) else positions)[:BATCH], item, device, draws)
        with torch.inference_mode():
            logits, targets = compare_views(network.head(network.body(values)))
            accuracy = (logits.argmax(dim=1) == targets).double().mean()
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    return state | {"accuracy": accuracy.cpu().clone()}


def draw_views(
    train: Labelled, positions: Int64Array, item: ItemSpec, device: torch.device, rng: torch.Generator
) -> Tensor:
    """Return two distorted views of each item, [2n, C, H, W]; those of item i are at i and n + i."""
    tensors = tensors_of(item)
    values = feature_values(train.images(positions), tensors, device)
    return tensors.distort(torch.cat([values, values]), rng)


def compare_views(projections: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scaled cosines between views [2n, 2n] and the position of each view's partner, [2n]."""
    directions = F.normalize(projections, dim=1)
    itself = torch.eye(len(directions), dtype=torch.bool, device=directions.device)
    logits = (directions @ directions.T / TEMPERATURE).masked_fill(itself, -torch.inf)
    return logits, torch.arange(len(directions), device=directions.device).roll(len(directions) // 2)


def initialise(item: ItemSpec) -> ContrastiveNetwork:
    """Return the network with its seeded initial weights; the global random state is unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return ContrastiveNetwork(item)
