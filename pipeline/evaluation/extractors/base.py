"""Feature extractors: networks that map stored items to features, and how such a network is named."""

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.arrays import Float32Array, Int64Array, Items
from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.tensors import Tensors
from pipeline.memory_format import channels_last
from pipeline.settings import Settings


class Images(Protocol):
    """A set of items that is read piece by piece; `pipeline.data.store.ItemSet` is one."""

    def __len__(self) -> int: ...

    def images(self, indices: npt.ArrayLike | None = None, /) -> Items:
        """Read the items at these positions, [n, H, W, C]."""
        ...


class Progress(Protocol):
    """Shows the progress through a range, as tqdm does."""

    def __call__(self, steps: range, label: str, /) -> Iterable[int]: ...


def quiet(steps: range, label: str) -> Iterable[int]:
    """Show no progress."""
    return steps


class FeatureSpec(Settings):
    """Name, weights and preprocessing of an extractor: the part of a protocol that describes the features.

    Attributes:
        sha256: Digest of the weights.
        dims: Number of features of one item.
        resize: How items are resized.
        value_range: The range that the network's first layer receives.
        published: The weights are those that the literature measures the FID with.
    """

    name: str
    sha256: str
    dims: int
    resize: str
    value_range: str
    published: bool = False

    @property
    def sha8(self) -> str:
        """The first eight digits of the weights' digest."""
        return self.sha256[:8]

    @property
    def measure(self) -> str:
        """Name of the Fréchet distance in these features: `fid` only with the published Inception weights."""
        return "fid" if self.published else f"fd_{self.name}_{self.sha8}"


class Extractor:
    """A network that maps items to features.

    Args:
        spec: Its name and preprocessing.
        network: Maps values float32 [n, C', H, W] in 0 .. 255 (see `Tensors.to_features`) to features [n, dims].
        tensors: Turns stored items into such values.
    """

    def __init__(self, spec: FeatureSpec, network: nn.Module, tensors: Tensors, device: torch.device) -> None:
        self.spec, self.tensors, self.device = spec, tensors, device
        self.network = channels_last(network.to(device)).eval().requires_grad_(False)

    @property
    def code(self) -> tuple[object, ...]:
        """Objects whose code decides the features."""
        return self, self.network, self.tensors

    def features(self, items: Items) -> Float32Array:
        """Return the features of one batch of stored items [n, H, W, C], float32 [n, dims]."""
        with torch.inference_mode(), exact(self.device):
            values = feature_values(items, self.tensors, self.device)
            return self.network(values).float().cpu().numpy()  # type: ignore[no-any-return]


def feature_values(items: Items, tensors: Tensors, device: torch.device) -> Tensor:
    """Return stored items [n, H, W, C] as extractors take them, float32 [n, C', H, W] in 0 .. 255, on `device`."""
    return tensors.to_features(torch.from_numpy(np.ascontiguousarray(items)).to(device))


def network_values(items: Items, tensors: Tensors, device: torch.device) -> Tensor:
    """Return stored items [n, H, W, C] as a variant's networks take them, float32 [n, C', H, W], on `device`."""
    return tensors.to_network(torch.from_numpy(np.ascontiguousarray(items)).to(device))


Compute = Callable[[Extractor, Iterable[Items]], Iterator[Float32Array]]
"""Computes the features of batches [n, H, W, C], float32 [n, dims] each, in their order."""


def compute_here(extractor: Extractor, batches: Iterable[Items]) -> Iterator[Float32Array]:
    """Compute the features of batches in this process, one batch at a time."""
    return map(extractor.features, batches)


def extract(
    extractor: Extractor,
    items: Images,
    batch_size: int,
    progress: Progress = quiet,
    label: str = "features",
    compute: Compute = compute_here,
) -> Float32Array:
    """Return the features of a set of items, float32 [N, dims]. Only some batches of items are in memory at a time."""
    out = np.empty((len(items), extractor.spec.dims), dtype=np.float32)
    starts = range(0, len(items), batch_size)
    batches = (items.images(np.arange(start, min(start + batch_size, len(items)))) for start in starts)
    for start, features in zip(progress(starts, label), compute(extractor, batches), strict=True):
        out[start : start + len(features)] = features
    return out


class Subset:
    """Some items of a set, in a given order."""

    def __init__(self, items: Images, indices: Int64Array) -> None:
        self.of, self.indices = items, indices

    def __len__(self) -> int:
        return len(self.indices)

    def images(self, indices: npt.ArrayLike | None = None, /) -> Items:
        """Read the items at these positions of the subset, [n, H, W, C]."""
        return self.of.images(self.indices if indices is None else self.indices[np.asarray(indices, dtype=np.int64)])


class Joined:
    """The items of several sets, one set after the other."""

    def __init__(self, *sets: Images) -> None:
        self.sets = sets
        self.starts = np.cumsum([0, *map(len, sets)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def images(self, indices: npt.ArrayLike | None = None, /) -> Items:
        """Read the items at these positions, [n, H, W, C]."""
        wanted = np.arange(len(self)) if indices is None else np.asarray(indices, dtype=np.int64)
        owner = np.searchsorted(self.starts, wanted, side="right") - 1
        parts = [one.images(wanted[owner == k] - self.starts[k]) for k, one in enumerate(self.sets)]
        return np.concatenate(parts)[np.argsort(np.argsort(owner, kind="stable"), kind="stable")]


class ArrayItems:
    """Stored items in memory [N, H, W, C] as a set. Raises InputError for an array that cannot hold stored items."""

    def __init__(self, array: Items) -> None:
        if array.ndim != 4 or array.dtype.kind not in "ui":
            raise InputError(
                f"items must be integers [n, height, width, channels], not {array.dtype} {list(array.shape)}"
            )
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def images(self, indices: npt.ArrayLike | None = None, /) -> Items:
        """Return the items at these positions, [n, H, W, C]."""
        return self.array if indices is None else self.array[np.asarray(indices, dtype=np.int64)]


def count_features(network: nn.Module, item: ItemSpec) -> int:
    """Return the number of features that a network makes of one item, as extractors see it."""
    training = network.training
    with torch.no_grad():
        features = network.eval()(torch.zeros(1, item.network_channels, item.height, item.width))
    network.train(training)
    return int(features.shape[1])


def exact(device: torch.device) -> AbstractContextManager[None]:
    """Compute in float32 that is reproducible: no TF32, and no kernel that is chosen by timing."""
    return torch.backends.cudnn.flags(
        enabled=device.type == "cuda", benchmark=False, deterministic=True, allow_tf32=False
    )


def digest(state: Mapping[str, Tensor]) -> str:
    """Return the sha256 of a network's weights: names, shapes and bytes, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(state):
        array = state[name].detach().cpu().contiguous().numpy()
        total.update(name.encode() + struct.pack(f"<{array.ndim}q", *array.shape) + array.dtype.str.encode())
        total.update(array.tobytes())
    return total.hexdigest()
