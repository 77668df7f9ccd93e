"""Is newly arrived data unlike what the model was trained on? A distance in the judge's features, beside that between real images."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipeline import params as parameters
from pipeline.arrays import Items
from pipeline.data.domains import flatten_pairs
from pipeline.data.ingestion import ingest
from pipeline.data.store import DatasetInfo, VariableSizeSet, int_column, open_shard, open_split, read_rows
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import Held, extract
from pipeline.evaluation.real_data import RealData
from pipeline.evaluation.reference import ratio, require_reference
from pipeline.files import write_atomically
from pipeline.stages.paths import Paths
from pipeline.tasks.base import progress_bar
from pipeline.training.device import pick_device

LEAST = 32  # new images below which nothing can be said
MOST = 10_000
SIGNIFICANCE = 5.0  # standard deviations of the null, as in the gate


def run(root: Path, data: Path | None = None, limit: float = 2.0) -> dict[str, Any]:
    """Reads the source anew, relative to `data` (default `root`), and compares its images that data/dataset does not hold with the held-out ones.

    Writes and returns .ganline/drift.json: `new` images, `ratio` of the Fréchet distance to that between two sets of real images of the same size, `z` in
    its standard deviations, and `drift`, which is said beyond `limit` and five of them. Raises InputError where there is nothing to compare.
    """
    paths = Paths(root)
    params = parameters.load(paths.params)
    info = DatasetInfo.read(paths.dataset)
    train, test = (flatten_pairs(open_split(paths.dataset, paths.validated, split)) for split in ("train", "test"))
    require_reference(test)
    paths.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.work) as scratch:
        ingest(params.data, data or root, paths.cache, Path(scratch) / "dataset")
        images = new_items(Path(scratch) / "dataset", paths.dataset)
    found: dict[str, Any] = {"new": len(images), "ratio": None, "z": None, "limit": limit, "drift": False}
    if len(images) < LEAST:
        found["said"] = f"{len(images)} images are new, too few to compare"
    else:
        device = pick_device(params.train.device)
        real = RealData(
            train, test, info.item, params.evaluate, device, cache=paths.cache, root=root, progress=progress_bar
        )
        shape = images.shape[1:]
        if shape != info.item.shape:
            raise InputError(
                f"{paths.params}: the data is now {list(shape)}, data/dataset holds {info.item.size}; run `dvc repro`"
            )
        features = extract(real.extractor, Held(images), params.evaluate.batch_size, progress_bar, "new images")
        compared = ratio(features, real.reference, params.evaluate.seed)
        if compared is None or compared.value is None:
            found["said"] = "there are too few held-out images to compare with"
        else:
            z = (compared.generated - compared.null) / max(compared.spread, 1e-12)
            found |= {"ratio": compared.value, "z": z, "drift": bool(compared.value > limit and z > SIGNIFICANCE)}
            like = "unlike" if found["drift"] else "like"
            found["said"] = (
                f"{len(images):,} images are new, and {like} the data so far: {compared.value:.2f} times the distance between real images"
            )
    write_atomically(paths.drift, (json.dumps(found, indent=2) + "\n").encode())
    sys.stdout.write(f"{found['said']}\n")
    return found


def new_items(now: Path, before: Path) -> Items:
    """Return items [n, H, W, C] of the store `now` whose values are not in `before`.

    Of pairs that is both sides, of items that keep their sizes the centre crops. At most 10,000 rows, evenly spread.
    """
    known = set(pq.read_table(before / "manifest.parquet", columns=["pixels_sha256"]).column(0).to_pylist())
    names = ["pixels_sha256", "shard", "row", "error", "stored_height", "stored_width"]
    table = pq.read_table(now / "manifest.parquet", columns=names)
    rows = zip(table.column("pixels_sha256").to_pylist(), table.column("error").to_pylist(), strict=True)
    fresh = [i for i, (digest, error) in enumerate(rows) if error is None and digest not in known]
    info = DatasetInfo.read(now)
    if not fresh:
        return np.empty((0, *info.item.shape), dtype=info.item.dtype)
    table = table.take([fresh[int(i)] for i in np.linspace(0, len(fresh) - 1, min(len(fresh), MOST))])
    shards = [open_shard(now, info, shard, verify=False) for shard in info.shards]
    shard, row = int_column(table, "shard"), int_column(table, "row")
    if info.own_sizes:
        return VariableSizeSet(
            shards=shards,
            shard=shard,
            row=row,
            labels=np.full(len(table), -1),
            names=[],
            item=info.item,
            fingerprint="",
            heights=int_column(table, "stored_height"),
            widths=int_column(table, "stored_width"),
        ).images()
    items = read_rows(shards, shard, row)
    return np.concatenate(np.split(items, 2, axis=2)) if info.side_by_side else items
