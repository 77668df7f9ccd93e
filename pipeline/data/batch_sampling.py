"""Draw an endless sequence of batches: shuffle epochs, take random crops, mirror.

The order of an epoch depends only on the seed and the number of the epoch. A resumed run therefore draws the same items
as an uninterrupted one.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.arrays import Int64Array, Items
from pipeline.data.transfer import copy_to
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of

RESIDENT_BYTES = 2 * 2**30
"""Limit for items that stay in the memory of the host."""


class TrainingItems(Protocol):
    """The dataset interface of a view; `pipeline.data.store.ItemSet` implements it."""

    @property
    def labels(self) -> Int64Array:
        """Labels, int64 [N]; -1 without classes."""
        ...

    @property
    def item(self) -> ItemSpec:
        """Shape, dtype and class names of an item."""
        ...

    def __len__(self) -> int: ...

    def images(self, indices: npt.ArrayLike | None = None) -> Items:
        """Read the items at these positions, [n, H, W, C]."""
        ...


@runtime_checkable
class UncroppedItems(TrainingItems, Protocol):
    """Items of different sizes; `pipeline.data.store.VariableSizeSet` implements it. `item` describes a crop."""

    def read_uncropped(self, position: int, /) -> Items:
        """Return one item in its full size, [H, W, C]."""
        ...


class Shuffle:
    """An endless sequence of the positions 0..n-1 on a device; each epoch is a new permutation."""

    def __init__(self, n: int, seed: int, device: torch.device) -> None:
        self.n, self.seed, self.device = n, seed, device
        self.epoch, self.position = 0, 0
        self.order = self.permutation()

    def permutation(self) -> Tensor:
        """Return the order of the current epoch."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        return copy_to(self.device, torch.from_numpy(order))

    def take(self, count: int) -> Tensor:
        """Return the next `count` positions, int64; continue with the next epoch if necessary."""
        parts = []
        while count > 0:
            part = self.order[self.position : self.position + count]
            parts.append(part)
            count -= len(part)
            self.position += len(part)
            if self.position == self.n:
                self.epoch, self.position = self.epoch + 1, 0
                self.order = self.permutation()
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def state(self) -> dict[str, int]:
        """Return the state that `restore` accepts."""
        return {"epoch": self.epoch, "position": self.position}

    def restore(self, state: Mapping[str, int]) -> None:
        """Continue from a state."""
        self.epoch, self.position = state["epoch"], state["position"]
        self.order = self.permutation()


class BatchSampler:
    """Draws items as network inputs, float32 [n, C, H, W] on `device`.

    Items stay on the device in their stored dtype if they need at most `resident_bytes`. Otherwise each batch is read
    from the memory-mapped shards. Order and flips are drawn on the host, so they are the same on every device.

    Args:
        data: The dataset.
        device: Device of the batches.
        seed: Seed of the order and of the flips.
        flips: Mirror items at random.
        subset: Positions to draw from; None for all.
        resident_bytes: Limit for items that stay on the device.
    """

    def __init__(
        self,
        data: TrainingItems,
        device: torch.device,
        seed: int,
        *,
        flips: bool,
        subset: Int64Array | None = None,
        resident_bytes: int,
    ) -> None:
        self.data, self.device, self.flips = data, device, flips
        self.tensors = tensors_of(data.item)
        self.subset = np.arange(len(data)) if subset is None else subset
        self.rng = torch.Generator().manual_seed(seed)
        fits = count_bytes(data, len(self.subset)) <= resident_bytes
        self.resident = torch.from_numpy(data.images(subset)).to(device) if fits else None
        # Positions are on the device of the items, so that no batch waits for a copy.
        order_device = device if fits else torch.device("cpu")
        self.shuffle = Shuffle(len(self.subset), seed, order_device)
        self.labels = torch.from_numpy(np.ascontiguousarray(data.labels[self.subset])).to(order_device)

    def take(self, n: int) -> Tensor:
        """Return the next `n` items, in memory format channels_last."""
        return self.at(self.shuffle.take(n))

    def take_labelled(self, n: int) -> tuple[Tensor, Tensor]:
        """Return the next `n` items and their labels, int64 [n]."""
        positions = self.shuffle.take(n)
        return self.at(positions), copy_to(self.device, self.labels[positions])

    def at(self, positions: Tensor) -> Tensor:
        """Return the items at these positions of the subset, mirrored at random."""
        if self.resident is None:
            items = copy_to(self.device, torch.from_numpy(self.read(self.subset[positions.numpy()])))
        else:
            items = self.resident.index_select(0, positions)
        values = self.tensors.to_network(items)
        if self.flips:
            mirrored = torch.rand(len(positions), 1, 1, 1, generator=self.rng) < 0.5
            values = torch.where(copy_to(self.device, mirrored), self.tensors.mirror(values), values)
        return values

    def read(self, positions: Int64Array) -> Items:
        """Read items from the shards."""
        return self.data.images(positions)

    def state(self) -> dict[str, object]:
        """Return the state that `restore` accepts."""
        return {"shuffle": self.shuffle.state(), "rng": self.rng.get_state()}

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from a state."""
        shuffle, rng = state["shuffle"], state["rng"]
        assert isinstance(shuffle, dict)
        assert isinstance(rng, Tensor)
        self.shuffle.restore(shuffle)
        self.rng.set_state(rng)


def count_bytes(data: TrainingItems, n: int | None = None) -> int:
    """Return the bytes of `n` items, of all by default."""
    return (len(data) if n is None else n) * data.images([0]).nbytes if len(data) else 0


class CropSampler(BatchSampler):
    """Draws random crops of items of different sizes; each draw of an item crops it at a new position."""

    data: UncroppedItems

    def __init__(self, data: UncroppedItems, device: torch.device, seed: int, *, flips: bool) -> None:
        super().__init__(data, device, seed, flips=flips, resident_bytes=0)
        self.crop_rng = torch.Generator().manual_seed(seed)

    def read(self, positions: Int64Array) -> Items:
        """Read one random crop of each item."""
        size = self.data.item.shape[:2]
        crops = []
        for position in positions.tolist():
            values = self.data.read_uncropped(position)
            top, left = (
                int(torch.randint(room - side + 1, (), generator=self.crop_rng))
                for room, side in zip(values.shape[:2], size, strict=True)
            )
            crops.append(values[top : top + size[0], left : left + size[1]])
        return np.stack(crops)

    def state(self) -> dict[str, object]:
        """Return the state that `restore` accepts."""
        return {**super().state(), "places": self.crop_rng.get_state()}

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from a state."""
        super().restore(state)
        places = state["places"]
        assert isinstance(places, Tensor)
        self.crop_rng.set_state(places)


def build_sampler(
    data: TrainingItems, device: torch.device, seed: int, *, flips: bool, resident_bytes: int
) -> BatchSampler:
    """Return a sampler of items, or of random crops if the items have different sizes."""
    if isinstance(data, UncroppedItems):
        return CropSampler(data, device, seed, flips=flips)
    return BatchSampler(data, device, seed, flips=flips, resident_bytes=resident_bytes)
