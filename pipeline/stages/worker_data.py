"""Open the data sets that workers have of their own (`model.split: own`): in each process those of its workers only."""

import hashlib
from pathlib import Path

import numpy as np

from pipeline import processes
from pipeline.data.store import ItemSet, open_split
from pipeline.data.worker_shards import WorkerData
from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.stages.paths import Paths


def open_worker_data(paths: Paths, workers: int, item: ItemSpec) -> WorkerData:
    """Open the training items of the workers of this process.

    Args:
        paths: Paths of the project.
        workers: Number of workers.
        item: What an item is in the first process.

    Raises:
        InputError: A data set is missing or has other items, or there are more processes than workers need.
    """
    if processes.count() > workers + 1:
        raise InputError(
            f"{processes.count()} processes for model.workers {workers}: start at most {workers + 1}, one for the "
            "generator and one for each worker"
        )
    here = [number for number in range(workers) if processes.home_of_worker(number) == processes.rank()]
    sets = {number: open_worker(paths.worker(number), item) for number in here}
    found: dict[int, tuple[int, str]] = {}
    for part in processes.all_of({number: (len(data), data.fingerprint) for number, data in sets.items()}):
        found |= part
    digest = hashlib.sha256("".join(f"{found[number]}\n" for number in range(workers)).encode()).hexdigest()
    return join_sets(sets, item, digest, sum(size for size, _ in found.values()))


def open_worker(folder: Path, item: ItemSpec) -> ItemSet:
    """Open the training items of one worker. Raise InputError if they are missing, or other items than `item`."""
    require_folder(folder)
    data = open_split(folder / "dataset", folder / "validated", "train", verify=True)
    if (data.item.shape, data.item.dtype) != (item.shape, item.dtype):
        raise InputError(
            f"{folder}: its items are {data.item.size} {data.item.dtype}, and those of the first process are "
            f"{item.size} {item.dtype}. Ingest both with the same settings of data:"
        )
    if not len(data):
        raise InputError(f"{folder}: has no training items")
    return data


def require_folder(folder: Path) -> None:
    """Raise InputError unless there is a folder with a data set of its own."""
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder. Copy the dataset and validated of its own data into it, or divide data/dataset "
            "with `ganline divide`"
        )


def join_sets(sets: dict[int, ItemSet], item: ItemSpec, fingerprint: str, total: int) -> WorkerData:
    """Return the items of several workers as one set that knows whose they are."""
    starts = np.cumsum([0, *(len(data.shards) for data in sets.values())])
    ends = np.cumsum([0, *(len(data) for data in sets.values())])
    none = np.zeros(0, dtype=np.int64)
    return WorkerData(
        shards=[shard for data in sets.values() for shard in data.shards],
        shard=np.concatenate([none, *(data.shard + start for data, start in zip(sets.values(), starts, strict=False))]),
        row=np.concatenate([none, *(data.row for data in sets.values())]),
        labels=np.concatenate([none, *(data.labels for data in sets.values())]),
        names=[name for data in sets.values() for name in data.names],
        item=item,
        fingerprint=fingerprint,
        own={number: np.arange(*ends[k : k + 2]) for k, number in enumerate(sets)},
        total=total,
    )
