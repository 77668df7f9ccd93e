"""An independent judge of text to image: a network that tells which caption describes an item.

It is trained on the training split by contrast, as the text encoder of a variant is, but it shares nothing with that:
it reads a caption as a bag of words, and it never sees the captions and items of the test split that it judges by.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.arrays import Float32Array, Int64Array
from pipeline.captions import captions_of
from pipeline.evaluation import cache
from pipeline.evaluation.extractors.base import (
    Images,
    Progress,
    count_features,
    exact,
    feature_values,
    quiet,
)
from pipeline.evaluation.extractors.classifier import Labelled
from pipeline.evaluation.extractors.classifier_network import ConvolutionalBody
from pipeline.evaluation.extractors.fitting import fit_network, limit_items, threads_for
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.memory_format import channels_last

SEED = 20_210_226
MIN_STEPS, MAX_STEPS = 200, 500
WIDTH = 64
"""Dimensions of the space in which items and captions are compared."""

SCALE = 10.0
"""Factor of the cosines: the inverse temperature."""

BATCH = 256


class MatcherNetwork(nn.Module):
    """Two towers: values [n, C, H, W] in 0 .. 255, and tokens [n, L], to directions [n, 64]."""

    def __init__(self, item: ItemSpec) -> None:
        super().__init__()
        tensors = tensors_of(item)
        self.body = tensors.classifier_body() or ConvolutionalBody(tensors.feature_item)
        self.item_head = nn.Linear(count_features(self.body, tensors.feature_item), WIDTH)
        words = len(item.vocabulary.words) if item.vocabulary else 0
        self.words = nn.EmbeddingBag(words + 1, 2 * WIDTH, mode="mean", padding_idx=0)
        self.text_head = nn.Sequential(nn.Linear(2 * WIDTH, 2 * WIDTH), nn.ReLU(), nn.Linear(2 * WIDTH, WIDTH))

    def read_items(self, values: Tensor) -> Tensor:
        """Return the directions of items."""
        return F.normalize(self.item_head(self.body(values)), dim=1)

    def read_tokens(self, tokens: Tensor) -> Tensor:
        """Return the directions of captions."""
        return F.normalize(self.text_head(self.words(tokens)), dim=1)


class CaptionMatcher:
    """The trained network."""

    def __init__(self, network: MatcherNetwork, item: ItemSpec, device: torch.device) -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.item, self.device = item, device

    @torch.inference_mode()
    def read_items(self, items: Images) -> Float32Array:
        """Return the directions of items, float32 [n, 64]."""
        tensors, parts = tensors_of(self.item), []
        for start in range(0, len(items), BATCH):
            chosen = items.images(np.arange(start, min(start + BATCH, len(items))))
            with exact(self.device):
                parts.append(self.network.read_items(feature_values(chosen, tensors, self.device)).cpu().numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def read_tokens(self, tokens: Int64Array) -> Float32Array:
        """Return the directions of captions given as tokens [n, L], float32 [n, 64]."""
        directions: Float32Array = self.network.read_tokens(torch.from_numpy(tokens).to(self.device)).cpu().numpy()
        return directions


def train_matcher(
    train: Labelled,
    leave_out: Int64Array,
    item: ItemSpec,
    device: torch.device,
    *,
    folder: Path | None = None,
    progress: Progress = quiet,
) -> CaptionMatcher:
    """Train a matcher on a training split with captions; the same data and machine give the same weights.

    Args:
        leave_out: Positions in `train` that are not used. Items without a caption are not used either.
        folder: Cache of the weights, keyed by the split's fingerprint; None keeps nothing.
    """
    captioned = np.array([position for position, text in enumerate(captions_of(train)) if text], dtype=np.int64)
    positions = np.setdiff1d(captioned, leave_out)
    chosen = hashlib.sha256(positions.tobytes()).hexdigest()
    key = f"{item.shape} {train.fingerprint} {chosen} {device.type} {torch.__version__}"
    network = initialise(item)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    state = cache.remember(
        folder,
        "matcher",
        key,
        shapes,
        lambda: fit(train, positions, item, device, progress),
        code=(tensors_of(item),),
    )
    network.load_state_dict(state)
    return CaptionMatcher(network, item, device)


def fit(
    train: Labelled, positions: Int64Array, item: ItemSpec, device: torch.device, progress: Progress
) -> cache.Tensors:
    """Train from scratch, on randomly shifted items."""
    assert item.vocabulary is not None
    rng, shifts = np.random.default_rng(SEED), torch.Generator().manual_seed(SEED)
    positions, tensors = limit_items(positions, rng), tensors_of(item)
    captions = captions_of(train)
    tokens = torch.from_numpy(item.vocabulary.tokens(captions[position] for position in positions)).to(device)
    network = channels_last(initialise(item).to(device)).train()

    def loss_of(chosen: Int64Array) -> Tensor:
        values = tensors.shift(feature_values(train.images(positions[chosen]), tensors, device), shifts)
        rows = tokens[torch.from_numpy(chosen).to(device)]
        cosines = SCALE * network.read_items(values) @ network.read_tokens(rows).T
        same = (rows[:, None] == rows[None]).all(dim=2).float()
        same = same / same.sum(dim=1, keepdim=True)
        return F.cross_entropy(cosines, same) + F.cross_entropy(cosines.T, same)

    with exact(device), threads_for(item.height * item.width):
        steps = MIN_STEPS, MAX_STEPS
        fit_network(network, len(positions), rng, loss_of, steps=steps, progress=progress, label="caption matcher")
    return {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}


def initialise(item: ItemSpec) -> MatcherNetwork:
    """Return the network with its seeded initial weights; the global random state is unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return MatcherNetwork(item)
