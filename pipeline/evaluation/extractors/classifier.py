"""The default features where there are labels: a small classifier trained on the data set's own training images.

It has never seen the reference (the test split) nor the calibration images, so that both are equally new to it. Its
last layer but one is the feature space; its answers say which class a sample shows.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.arrays import Float32Array, Int64Array
from pipeline.evaluation.cache import Tensors, remember
from pipeline.evaluation.extractors.base import (
    Extractor,
    FeatureSpec,
    Images,
    Progress,
    digest,
    exact,
    quiet,
    to_tensor,
)
from pipeline.items import ItemSpec

VERSION = 1  # part of the cache's key: raise it whenever the network or its training changes
SEED = 20_140_610
DIMS = (
    64  # modest, because the distance needs several items a dimension and a small data set's test split has few hundred
)
BATCH = 128
MAX_IMAGES = 60_000
MIN_STEPS, MAX_STEPS = 200, 500
EPOCHS = 20
LEARNING_RATE = 4e-3


class Labelled(Images, Protocol):
    """Images with a class each."""

    @property
    def labels(self) -> Int64Array:
        """int64 [N], -1 where the class is not known."""
        ...

    @property
    def fingerprint(self) -> str: ...


class Network(nn.Module):
    """[N, C, H, W] in 0..255 -> features [N, 64]; `head` -> logits [N, K].

    A stem of patches brings each side to at most about 16, so that the cost hardly grows with the resolution.
    """

    def __init__(self, item: ItemSpec) -> None:
        super().__init__()
        channels = item.network_channels
        rows, columns = max(1, item.height // 16), max(1, item.width // 16)
        width = 32 if max(rows, columns) <= 2 else 64
        kernel = (2 * rows if rows > 1 else 3), (2 * columns if columns > 1 else 3)
        padding = (max(1, rows // 2), max(1, columns // 2))
        stem = nn.Conv2d(channels, width, kernel, (rows, columns), padding, bias=False)
        layers = [stem, *normalised(width), *block(width, 64), *block(64, 96, stride=2)]
        sides = [halves(patches(side, step)) for side, step in ((item.height, rows), (item.width, columns))]
        if max(sides) > 4:
            layers += block(96, 96, stride=2)
            sides = [halves(side) for side in sides]
        # Flat, not pooled: where a thing lies in the picture tells classes apart, and tells a broken sample from a good one.
        self.body = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(96 * sides[0] * sides[1], DIMS, bias=False),
            nn.BatchNorm1d(DIMS),
            nn.LeakyReLU(0.1),
        )
        self.head = nn.Linear(DIMS, len(item.classes))

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.body(images / 127.5 - 1.0)
        return features


def patches(side: int, patch: int) -> int:
    """Return the side that the stem makes of `side`."""
    return (side + 2 * (patch // 2) - 2 * patch) // patch + 1 if patch > 1 else side


def halves(side: int) -> int:
    """Return the side that a convolution of stride 2 makes of `side`."""
    return (side + 1) // 2


def block(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), *normalised(outputs)]


def normalised(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.LeakyReLU(0.1)]  # leaky: a dead unit would make the covariance singular


class Classifier(Extractor):
    """The trained network as an extractor that also names classes."""

    network: Network

    def predict(self, features: Float32Array) -> Float32Array:
        """Class probabilities float32 [N, K] of features [N, 64]."""
        with torch.inference_mode():
            logits = self.network.head(torch.from_numpy(features).to(self.device))
            return logits.softmax(dim=1).cpu().numpy()  # type: ignore[no-any-return]


def classifier(
    train: Labelled,
    leave_out: Int64Array,
    item: ItemSpec,
    device: torch.device,
    cache: Path | None = None,
    progress: Progress = quiet,
) -> Classifier:
    """The classifier of a training split, without the images at the positions `leave_out`; the same seed, data and machine give the same weights.

    Kept in `cache` under the split's fingerprint. Items without a label (-1) are not used.
    """
    usable = np.flatnonzero(train.labels >= 0)
    picked = np.setdiff1d(usable, leave_out)
    shape = f"{item.shape} {item.symbols} {len(item.classes)} classes"
    chosen = hashlib.sha256(picked.tobytes()).hexdigest()
    key = f"{VERSION} {shape} {train.fingerprint} {chosen} {device.type} {torch.__version__}"
    network = untrained(item)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    state = remember(cache, "classifier", key, shapes, lambda: fit(train, picked, item, device, progress))
    network.load_state_dict(state)
    spec = FeatureSpec(name="classifier", sha256=digest(state), dims=DIMS, resize="none", value_range="-1..1")
    return Classifier(spec, network, device)


def fit(train: Labelled, picked: Int64Array, item: ItemSpec, device: torch.device, progress: Progress) -> Tensors:
    """Trains from scratch: Adam, one cycle of the learning rate (Smith & Topin 2019), images shifted a little."""
    rng = np.random.default_rng(SEED)
    if len(picked) > MAX_IMAGES:
        picked = np.sort(rng.choice(picked, MAX_IMAGES, replace=False))
    labels = torch.from_numpy(train.labels[picked])
    network = untrained(item).to(device).to(memory_format=torch.channels_last).train()
    shifts = torch.Generator().manual_seed(SEED)
    batch = min(BATCH, len(picked))
    steps = min(max(EPOCHS * len(picked) // batch, MIN_STEPS), MAX_STEPS)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-3, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    order = np.empty(0, dtype=np.int64)
    with exact(device), threads_for(item.height * item.width):
        for _ in progress(range(steps), "classifier"):
            if len(order) < batch:
                order = np.concatenate([order, rng.permutation(len(picked))])
            positions, order = order[:batch], order[batch:]
            images = shifted(to_tensor(train.images(picked[positions]), device), shifts)
            logits = network.head(network(images))
            loss = F.cross_entropy(logits, labels[positions].to(device), label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}


def untrained(item: ItemSpec) -> Network:
    """The network with its seeded first weights; the global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return Network(item)


@contextmanager
def threads_for(positions: int) -> Iterator[None]:
    """Use one thread for items of few positions: synchronising threads costs more than it saves, tenfold on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if positions <= 16 * 16 else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def shifted(images: Tensor, rng: torch.Generator) -> Tensor:
    """Every image [n, C, H, W] moved by its own random offset of at most a sixteenth of its side, its border repeated."""
    n, _, height, width = images.shape
    reach = max(1, height // 16)
    padded = F.pad(images, (reach, reach, reach, reach), mode="replicate")
    dy, dx = torch.randint(0, 2 * reach + 1, (2, n, 1), generator=rng).to(images.device)
    rows = dy + torch.arange(height, device=images.device)
    columns = dx + torch.arange(width, device=images.device)
    items = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[items, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
