"""Training items that are divided among workers: each has its own, and none sees those of another."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pipeline.arrays import Int64Array
from pipeline.data.batch_sampling import RESIDENT_BYTES, BatchSampler, TrainingItems
from pipeline.errors import InputError

Division = Literal["iid", "classes"]


class WorkerShards:
    """Batches {"item": [B, C, H, W]}; row i is an item of worker i mod `workers`, so B is a multiple of `workers`.

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
        split: Division,
        flips: bool = False,
        resident_bytes: int = RESIDENT_BYTES,
    ) -> None:
        self.workers = workers
        self.samplers = [
            BatchSampler(
                data, device, seed + worker, flips=flips, subset=shard, resident_bytes=resident_bytes // workers
            )
            for worker, shard in enumerate(divide(data, workers, split, seed))
        ]

    def next(self, n: int) -> dict[str, Tensor]:
        """Return the next batch of `n` items, as many of each worker."""
        own = torch.stack([sampler.take(n // self.workers) for sampler in self.samplers], dim=1)
        return {"item": own.flatten(0, 1).contiguous(memory_format=torch.channels_last)}

    def state(self) -> dict[str, object]:
        """Return the state that `restore` accepts."""
        return {str(worker): sampler.state() for worker, sampler in enumerate(self.samplers)}

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from a state."""
        for worker, sampler in enumerate(self.samplers):
            part = state[str(worker)]
            assert isinstance(part, dict)
            sampler.restore(part)


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
