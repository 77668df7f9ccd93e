"""`ganline drift`: compare newly arrived data with the data of the model, by a distance in feature space."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import params as parameters
from pipeline.arrays import Items
from pipeline.data.domains import flatten_pairs
from pipeline.data.index_columns import int_column
from pipeline.data.ingestion import ingest
from pipeline.data.store import DatasetInfo, VariableSizeSet, open_shard, open_split, read_rows
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import ArrayItems, extract
from pipeline.evaluation.reference import Ratio, ratio, require_reference
from pipeline.files import write_atomically
from pipeline.media.registry import find_medium
from pipeline.media.wording import say
from pipeline.stages.evaluation_data import open_real_data
from pipeline.stages.paths import Paths

LEAST = 32
"""New images that a comparison needs."""

MOST = 10_000
"""New images that are compared at most."""

SIGNIFICANCE = 5.0
"""Standard deviations of the null that drift must exceed, as in the gate."""


def run(root: Path, data: Path | None = None, limit: float = 2.0) -> dict[str, Any]:
    """Read the source again and compare its new images with the held-out images of data/dataset.

    Writes .ganline/drift.json and returns its content: `new` images, `ratio` of the Fréchet distance to the distance
    between real images, `z` in standard deviations of the latter, `drift`, and a `message`.

    Args:
        root: Root of the project.
        data: Folder that the source is relative to; None for `root`.
        limit: Ratio beyond which new images count as drift, if `z` is above 5 too.

    Raises:
        InputError: There is no test split, or the images have another shape than data/dataset.
    """
    paths = Paths(root)
    params = parameters.load(paths.params)
    info = DatasetInfo.read(paths.dataset)
    train, test = (flatten_pairs(open_split(paths.dataset, paths.validated, split)) for split in ("train", "test"))
    require_reference(test)
    paths.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.work) as scratch:
        medium = find_medium(info.item.medium)
        settings = medium.with_details(params.data, info.item)
        ingest(settings, data or root, paths.cache, Path(scratch) / "dataset")
        images = new_items(Path(scratch) / "dataset", paths.dataset)
        for remark in medium.remarks(pd.read_parquet(Path(scratch) / "dataset" / "manifest.parquet")):
            sys.stderr.write(f"drift: warning: {remark}\n")
    result: dict[str, Any] = {"new": len(images), "ratio": None, "z": None, "limit": limit, "drift": False}
    if len(images) < LEAST:
        result["message"] = f"{len(images)} new images: at least {LEAST} are needed for a comparison"
    elif images.shape[1:] != info.item.shape:
        raise InputError(
            f"{paths.params}: the shape of the new data is {list(images.shape[1:])}, that of data/dataset is "
            f"{info.item.size}. Run `dvc repro`."
        )
    else:
        real = open_real_data(paths, params, info, train, test)
        features = extract(
            real.extractor,
            ArrayItems(images),
            params.evaluate.batch_size,
            real.progress,
            f"new {medium.noun}s",
            real.compute,
        )
        result |= compare(len(images), ratio(features, real.reference, params.evaluate.seed), limit)
    result["message"] = say(result["message"], medium.noun)
    write_atomically(paths.drift, (json.dumps(result, indent=2) + "\n").encode())
    sys.stdout.write(f"{result['message']}\n")
    return result


def compare(n_new: int, distances: Ratio | None, limit: float) -> dict[str, Any]:
    """Return `ratio`, `z`, `drift` and `message` for the distances of `n_new` images."""
    if distances is None or distances.value is None:
        return {"message": "too few held-out images for a comparison"}
    z = (distances.generated - distances.null) / max(distances.spread, 1e-12)
    drift = bool(distances.value > limit and z > SIGNIFICANCE)
    verb = "differ from" if drift else "resemble"
    message = (
        f"{n_new:,} new images, which {verb} the data so far: "
        f"{distances.value:.2f} times the distance between real images"
    )
    return {"ratio": distances.value, "z": z, "drift": drift, "message": message}


def new_items(now: Path, before: Path) -> Items:
    """Return items [n, H, W, C] of the store `now` whose values are not in the store `before`.

    Pairs give both sides, items of varying sizes their centre crops. At most 10,000 evenly spaced rows are returned.
    """
    known = pq.read_table(before / "manifest.parquet", columns=["pixels_sha256"]).column(0)
    names = ["pixels_sha256", "shard", "row", "error", "stored_height", "stored_width"]
    table = pq.read_table(now / "manifest.parquet", columns=names)
    old = pc.is_in(table.column("pixels_sha256"), value_set=known)
    fresh = np.flatnonzero(pc.and_not(table.column("error").is_null(), old).to_numpy())
    info = DatasetInfo.read(now)
    if not len(fresh):
        return np.empty((0, *info.item.shape), dtype=info.item.dtype)
    table = table.take(fresh[np.linspace(0, len(fresh) - 1, min(len(fresh), MOST)).astype(np.int64)])
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
