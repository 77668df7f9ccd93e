"""Training items that are divided among workers: each has its own, and none sees those of another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pipeline import processes
from pipeline.arrays import Int64Array
from pipeline.data.batch_sampling import RESIDENT_BYTES, BatchSampler, TrainingItems, count_bytes
from pipeline.data.store import ItemSet
from pipeline.errors import InputError

Division = Literal["iid", "classes"]


@dataclass(frozen=True)
class WorkerData(ItemSet):
    """The data sets of the workers of this process, one after another.

    Attributes:
        own: Positions of each worker's items; workers of other processes are missing.
        total: Training items of all workers.
    """

    own: Mapping[int, Int64Array] = field(repr=False, kw_only=True)
    total: int = field(kw_only=True)


class WorkerShards:
    """Batches {"item": [B, C, H, W]}; row i is an item of worker i mod `workers`, so B is a multiple of `workers`.

    Rows of workers whose data are in another process are zero.

    Raises:
        InputError: A worker would have no item, or items by class have none.
    """

    def __init__(
        self,
        data: TrainingItems,
        device: torch.device,
        seed: int,
        *,
        workers: int,
        split: Division | Literal["own"],
        flips: bool = False,
        resident_bytes: int = RESIDENT_BYTES,
    ) -> None:
        self.workers, self.device, self.item = workers, device, data.item
        share = resident_bytes if count_bytes(data) <= resident_bytes else 0
        self.samplers = {
            worker: BatchSampler(data, device, seed + worker, flips=flips, subset=shard, resident_bytes=share)
            for worker, shard in shards_of(data, workers, split, seed).items()
        }

    def next(self, n: int) -> dict[str, Tensor]:
        """Return the next batch of `n` items, as many of each worker."""
        shape = n // self.workers, self.item.network_channels, self.item.height, self.item.width
        absent = torch.zeros(shape, device=self.device) if len(self.samplers) < self.workers else None
        rows = [
            self.samplers[worker].take(n // self.workers) if worker in self.samplers else absent
            for worker in range(self.workers)
        ]
        own = torch.stack([values for values in rows if values is not None], dim=1).flatten(0, 1)
        return {"item": own.contiguous(memory_format=torch.channels_last)}

    def state(self) -> dict[str, object]:
        """Return the state that `restore` accepts, of the workers of all processes; all of them call this."""
        state: dict[str, object] = {}
        for part in processes.all_of({str(worker): sampler.state() for worker, sampler in self.samplers.items()}):
            state |= part
        return state

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from a state."""
        for worker, sampler in self.samplers.items():
            part = state[str(worker)]
            assert isinstance(part, dict)
            sampler.restore(part)


def shards_of(
    data: TrainingItems, workers: int, split: Division | Literal["own"], seed: int
) -> Mapping[int, Int64Array]:
    """Return the positions of the items of each worker in this process."""
    if split == "own":
        assert isinstance(data, WorkerData)
        return data.own
    return dict(enumerate(divide(data, workers, split, seed)))


def divide(data: TrainingItems, workers: int, split: Division, seed: int) -> list[Int64Array]:
    """Return each worker's positions in the data, sorted; every item belongs to one worker.

    Args:
        data: The training items.
        workers: Number of workers.
        split: "iid" gives every worker as many random items. "classes" gives it whole classes, neighbours in order; if
            there are fewer classes than workers, several workers share the items of a class.
        seed: Seed of the random order.

    Raises:
        InputError: A worker would have no item, or items by class have none.
    """
    order = np.random.default_rng([seed, workers]).permutation(len(data))
    if split == "iid":
        shards = np.array_split(order, workers)
    else:
        without = int((data.labels < 0).sum())
        if without:
            raise InputError(
                f"model.split classes: {without:,} of {len(data):,} training items have no class. Put each class into "
                "a folder, or set model.split: iid"
            )
        shards = divide_by_class(order, data.labels[order], workers)
    empty = [worker for worker, shard in enumerate(shards) if not len(shard)]
    if empty:
        raise InputError(
            f"model.workers {workers}: {len(data):,} training items are too few, worker {empty[0]} would have none. "
            "Set fewer workers"
        )
    return [np.sort(shard) for shard in shards]


def divide_by_class(order: Int64Array, labels: Int64Array, workers: int) -> list[Int64Array]:
    """Return each worker's part of `order`, whose items have these labels."""
    classes = np.unique(labels)
    shards: list[list[Int64Array]] = [[] for _ in range(workers)]
    for number, label in enumerate(classes):
        members = order[labels == label]
        owners = [worker for worker in range(workers) if worker * len(classes) // workers == number]
        if len(classes) >= workers:
            owners = [number * workers // len(classes)]
        for owner, part in zip(owners, np.array_split(members, len(owners)), strict=True):
            shards[owner].append(part)
    return [np.concatenate(parts) for parts in shards]
