"""Write the store: shards and manifest are written to a temporary folder, which is renamed when it is complete."""

import hashlib
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.arrays import Items
from pipeline.captions import Vocabulary
from pipeline.data.store import DatasetInfo, Shard, row_shape
from pipeline.items import ItemSpec
from pipeline.media.codec import Fact

SHARD_BYTES = 32 * 2**20
GROUP_ROWS = 16_384

COLUMNS = {
    "id": pa.int64(),
    "path": pa.string(),
    "part": pa.int64(),
    "class": pa.string(),
    "label": pa.int64(),
    "split": pa.string(),
    "bytes": pa.int64(),
    "sha256": pa.string(),
    "pixels_sha256": pa.string(),
    "error": pa.string(),
    "shard": pa.int64(),
    "row": pa.int64(),
    "stored_height": pa.int32(),
    "stored_width": pa.int32(),
    "pair": pa.string(),
    "caption": pa.string(),
}
"""Columns of the manifest for all media. There is one row for each item, and one for each file that failed.

`part` counts the items of one file. `sha256` is the digest of the file, `pixels_sha256` that of the item's values.
"""


class StoreWriter:
    """Writes a dataset. A context manager that removes its files unless `finish` is called.

    Items of equal shape are rows of 4-d shards. With `own_sizes` a shard is flat: the values of the items follow each
    other, and `row` is the position of an item's first value.

    Args:
        folder: Folder of the finished store; an older store is replaced.
        item: Shape and dtype of an item; for pairs, of one side.
        facts: Columns that the medium adds to the manifest.
        own_sizes: Whether items keep their sizes.
        pairs: `data.pairs`.
    """

    def __init__(
        self,
        folder: Path,
        item: ItemSpec,
        facts: Sequence[Fact] = (),
        *,
        own_sizes: bool = False,
        pairs: str = "none",
    ) -> None:
        self.folder = folder
        self.partial = folder.with_name(f".{folder.name}.partial")
        self.item, self.own_sizes, self.pairs = item, own_sizes, pairs
        shape = row_shape(item, side_by_side=pairs not in ("none", "folders"))
        self.dtype = np.dtype(item.dtype)
        self.values_per_shard = max(1, SHARD_BYTES // self.dtype.itemsize)
        rows = max(1, self.values_per_shard // math.prod(shape))
        self.buffer: Items = np.empty((0 if own_sizes else rows, *shape), dtype=self.dtype)
        self.flat: list[Items] = []
        self.used = 0  # rows of the current shard; values if it is flat
        self.shards: list[Shard] = []
        self.schema = pa.schema(COLUMNS | {fact.name: getattr(pa, fact.type)() for fact in facts})
        self.columns: dict[str, list[Any]] = {name: [] for name in self.schema.names}
        self.rows = 0
        self.items = 0
        self.splits = {"train": 0, "test": 0}
        self.captions: list[str] = []  # those of the training items
        self.digest = hashlib.sha256()

    def __enter__(self) -> "StoreWriter":
        shutil.rmtree(self.partial, ignore_errors=True)
        (self.partial / "shards").mkdir(parents=True)
        self.manifest = pq.ParquetWriter(self.partial / "manifest.parquet", self.schema, compression="zstd")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.manifest.close()
        shutil.rmtree(self.partial, ignore_errors=True)

    def add(self, record: Mapping[str, Any], values: Items | None) -> None:
        """Add a row to the manifest; missing columns are null. `values` [H, W, C] is None for a file that failed."""
        row: dict[str, Any] = {"label": -1, "part": 0, **record, "id": self.rows}
        if values is not None:
            row |= self.store(values, record.get("path"))
            self.items += 1
            self.splits[row["split"]] += 1
            more = "".join(f" {row[name]}" for name in ("pair", "caption") if row.get(name) is not None)
            self.digest.update(f"{row['pixels_sha256']} {row['label']} {row['split']}{more}\n".encode())
            if row["split"] == "train" and row.get("caption"):
                self.captions.append(row["caption"])
            if self.used >= (self.values_per_shard if self.own_sizes else len(self.buffer)):
                self.write_shard()
        for name, column in self.columns.items():
            column.append(row.get(name))
        self.rows += 1
        if self.rows % GROUP_ROWS == 0:
            self.write_rows()

    def store(self, values: Items, path: str | None) -> dict[str, int]:
        """Append values to the current shard and return their position."""
        if values.dtype != self.dtype:
            raise ValueError(f"{path}: {values.dtype} values for a store of {self.dtype}")
        place = {
            "shard": len(self.shards),
            "row": self.used,
            "stored_height": values.shape[0],
            "stored_width": values.shape[1],
        }
        if self.own_sizes:
            self.flat.append(values.reshape(-1))
            self.used += values.size
        else:
            self.buffer[self.used] = values
            self.used += 1
        return place

    def write_shard(self) -> None:
        """Write the current shard and start the next one."""
        name = f"{len(self.shards):05d}.npy"
        path = self.partial / "shards" / name
        np.save(path, np.concatenate(self.flat) if self.own_sizes else self.buffer[: self.used], allow_pickle=False)
        self.flat.clear()
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self.shards.append(Shard(file=name, rows=self.used, sha256=sha256))
        self.used = 0

    def write_rows(self) -> None:
        """Write the rows of the manifest that are in memory."""
        self.manifest.write_table(pa.table(self.columns, schema=self.schema))
        for column in self.columns.values():
            column.clear()

    def finish(self, source: str) -> DatasetInfo:
        """Write the remaining rows and dataset.json, then move the store to its final folder."""
        if self.used:
            self.write_shard()
        if self.columns["id"]:
            self.write_rows()
        self.manifest.close()
        vocabulary = Vocabulary.of(self.captions) if self.captions else None
        info = DatasetInfo(
            source=source,
            fingerprint=self.digest.hexdigest(),
            images=self.items,
            set_aside=self.rows - self.items,
            item=self.item.model_copy(update={"vocabulary": vocabulary}),
            own_sizes=self.own_sizes,
            pairs=self.pairs,
            splits=self.splits,
            shards=self.shards,
        )
        (self.partial / "dataset.json").write_text(info.model_dump_json(indent=2) + "\n", encoding="utf-8")
        replaced = self.folder.with_name(f".{self.folder.name}.replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(replaced)
        self.partial.rename(self.folder)
        shutil.rmtree(replaced, ignore_errors=True)
        return info
