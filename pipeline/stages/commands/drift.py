"""Is newly arrived data unlike what the model was trained on? A distance in the judge's features, beside that between real images."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipeline import params as parameters
from pipeline.arrays import UInt8Array
from pipeline.data.domains import squares
from pipeline.data.ingestion import ingest
from pipeline.data.store import DatasetInfo, Photographs, gathered, open_shard, open_split
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import Held, extract
from pipeline.evaluation.real_data import RealData
from pipeline.evaluation.reference import ratio, require_reference
from pipeline.files import write_atomically
from pipeline.media.image.settings import ImageSettings
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
    assert isinstance(params.data, ImageSettings)
    info = DatasetInfo.read(paths.dataset)
    train, test = (squares(open_split(paths.dataset, paths.validated, split)) for split in ("train", "test"))
    require_reference(test)
    paths.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.work) as scratch:
        ingest(params.data, data or root, paths.cache, Path(scratch) / "dataset")
        images = arrived(Path(scratch) / "dataset", paths.dataset)
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


def arrived(now: Path, before: Path) -> UInt8Array:
    """Images [n, H, W, C] of the store `now` whose pixels are not in `before`: both of a pair, of photographs the squares in their middles; of at most
    10,000 rows, spread evenly."""
    known = set(pq.read_table(before / "manifest.parquet", columns=["pixels_sha256"]).column(0).to_pylist())
    table = pq.read_table(
        now / "manifest.parquet", columns=["pixels_sha256", "shard", "row", "error", "stored_height", "stored_width"]
    )
    columns: dict[str, Any] = {name: table.column(name).to_pylist() for name in table.column_names}
    fresh = [
        i
        for i, (digest, error) in enumerate(zip(columns["pixels_sha256"], columns["error"], strict=True))
        if error is None and digest not in known
    ]
    picked = [fresh[int(i)] for i in np.linspace(0, len(fresh) - 1, min(len(fresh), MOST))] if fresh else []
    info = DatasetInfo.read(now)
    if not picked:
        return np.empty((0, *info.item.shape), dtype=info.item.dtype)
    shards = [open_shard(now, info, shard, verify=False) for shard in info.shards]
    shard, row, heights, widths = (
        np.array([columns[name][i] for i in picked], dtype=np.int64)
        for name in ("shard", "row", "stored_height", "stored_width")
    )
    if info.own_sizes:
        shape: dict[str, Any] = {
            "heights": heights,
            "widths": widths,
            "resolution": info.item.height,
            "channels": info.item.channels,
        }
        none: dict[str, Any] = {"labels": np.full(len(picked), -1), "names": [], "classes": [], "fingerprint": ""}
        return Photographs(shards=shards, shard=shard, row=row, **none, **shape).images()
    images = gathered(shards, shard, row)
    return images if info.pairs in ("none", "folders") else np.concatenate(np.split(images, 2, axis=2))
