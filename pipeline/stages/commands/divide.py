"""`ganline divide`: give each worker of MD-GAN a data set of its own, to try `model.split: own` on one machine."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pipeline import params as parameters
from pipeline.arrays import Int64Array
from pipeline.data.store import DatasetInfo, ItemSet, open_split
from pipeline.data.store_writer import StoreWriter
from pipeline.data.worker_shards import Division, divide
from pipeline.errors import InputError
from pipeline.stages.paths import Paths


def run(root: Path, by: Division) -> list[tuple[Path, int]]:
    """Write data/workers/N for each worker, and data/workers/server with the test split.

    Each folder has a `dataset` and a `validated`, as the stages ingest and validate write them.

    Args:
        root: The project.
        by: How the training items are divided.

    Returns:
        The folders and their numbers of items.

    Raises:
        InputError: The variant has no workers, or the items cannot be divided.
    """
    paths = Paths(root)
    params = parameters.load(paths.params)
    workers = params.model.model_dump().get("workers")
    if workers is None:
        raise InputError(
            f"{paths.params}: model.variant {params.model.variant} has no workers; set model.variant: mdgan"
        )
    train = open_split(paths.dataset, paths.validated, "train", verify=True)
    test = open_split(paths.dataset, paths.validated, "test")
    written = []
    for number, positions in enumerate(divide(train, workers, by, params.train.seed)):
        written.append((paths.worker(number), write(paths, paths.worker(number), "train", train, positions)))
    written.append((paths.server, write(paths, paths.server, "test", test, np.arange(len(test)))))
    return written


def write(paths: Paths, folder: Path, split: str, data: ItemSet, positions: Int64Array) -> int:
    """Write the items at these positions of a split as a data set of their own; return their number."""
    rows = pq.read_table(paths.validated / "index.parquet", filters=[("split", "=", split)]).take(positions).to_pylist()
    folder.mkdir(parents=True, exist_ok=True)
    with StoreWriter(folder / "dataset", data.item) as writer:
        for row, position in zip(rows, positions.tolist(), strict=True):
            writer.add(row, data.images([position])[0])
        writer.finish(DatasetInfo.read(paths.dataset).source)
    (folder / "validated").mkdir(exist_ok=True)
    shutil.copyfile(folder / "dataset" / "manifest.parquet", folder / "validated" / "index.parquet")
    return len(rows)
