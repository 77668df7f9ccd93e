"""Writing the store: shards and manifest streamed into a folder beside the final one, which takes its name only when all is there."""

import hashlib
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.arrays import UInt8Array
from pipeline.data.store import DatasetInfo, Shard
from pipeline.media.image.settings import Pairing

SHARD_BYTES = 32 * 2**20
GROUP_ROWS = 16_384

MANIFEST = pa.schema(
    [
        ("id", pa.int64()),
        ("path", pa.string()),
        ("class", pa.string()),
        ("label", pa.int64()),
        ("split", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("mode", pa.string()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("pixels_sha256", pa.string()),
        ("mean", pa.float64()),
        ("std", pa.float64()),
        ("error", pa.string()),
        ("shard", pa.int64()),
        ("row", pa.int64()),
        ("stored_height", pa.int32()),
        ("stored_width", pa.int32()),
        ("pair", pa.string()),
    ]
)


class StoreWriter:
    """Writes one data set of images of `shape` [H, W, C]. Use as a context manager: whatever was written is removed unless `finish` was called.

    Equal images are rows of 4-d shards. With `own_sizes` a shard is flat, one image's bytes after the other's, and `row` is where they begin.
    """

    def __init__(
        self, folder: Path, shape: tuple[int, int, int], *, own_sizes: bool = False, pairs: Pairing = "none"
    ) -> None:
        self.folder = folder
        self.partial = folder.with_name(f".{folder.name}.partial")
        self.shape, self.own_sizes, self.pairs = shape, own_sizes, pairs
        rows = max(1, SHARD_BYTES // math.prod(shape))
        self.buffer: UInt8Array = np.empty((0 if own_sizes else rows, *self.shape), dtype=np.uint8)
        self.flat: list[UInt8Array] = []
        self.filled = 0  # rows of the shard, or bytes of a flat one
        self.shards: list[Shard] = []
        self.columns: dict[str, list[Any]] = {name: [] for name in MANIFEST.names}
        self.recorded = 0
        self.images = 0
        self.splits = {"train": 0, "test": 0}
        self.digest = hashlib.sha256()

    def __enter__(self) -> "StoreWriter":
        shutil.rmtree(self.partial, ignore_errors=True)
        (self.partial / "shards").mkdir(parents=True)
        self.manifest = pq.ParquetWriter(self.partial / "manifest.parquet", MANIFEST, compression="zstd")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.manifest.close()
        shutil.rmtree(self.partial, ignore_errors=True)

    def add(self, record: Mapping[str, Any], pixels: UInt8Array | None) -> None:
        """One file: its columns (absent ones are null) and, for a good one, its pixels (uint8 [H, W, C])."""
        values: dict[str, Any] = {"label": -1, **record, "id": self.recorded}
        if pixels is not None:
            values |= {
                "shard": len(self.shards),
                "row": self.filled,
                "stored_height": pixels.shape[0],
                "stored_width": pixels.shape[1],
            }
            if self.own_sizes:
                self.flat.append(pixels.reshape(-1))
                self.filled += pixels.size
            else:
                self.buffer[self.filled] = pixels
                self.filled += 1
            self.images += 1
            self.splits[values["split"]] += 1
            partner = "" if values.get("pair") is None else f" {values['pair']}"
            self.digest.update(f"{values['pixels_sha256']} {values['label']} {values['split']}{partner}\n".encode())
            if self.filled >= (SHARD_BYTES if self.own_sizes else len(self.buffer)):
                self.write_shard()
        for name, column in self.columns.items():
            column.append(values.get(name))
        self.recorded += 1
        if self.recorded % GROUP_ROWS == 0:
            self.write_rows()

    def write_shard(self) -> None:
        name = f"{len(self.shards):05d}.npy"
        path = self.partial / "shards" / name
        np.save(path, np.concatenate(self.flat) if self.own_sizes else self.buffer[: self.filled], allow_pickle=False)
        self.flat.clear()
        with path.open("rb") as file:
            self.shards.append(
                Shard(file=name, rows=self.filled, sha256=hashlib.file_digest(file, "sha256").hexdigest())
            )
        self.filled = 0

    def write_rows(self) -> None:
        self.manifest.write_table(pa.table(self.columns, schema=MANIFEST))
        for column in self.columns.values():
            column.clear()

    def finish(self, source: str, classes: tuple[str, ...]) -> DatasetInfo:
        """Writes what is still in memory and dataset.json, then puts the whole in place of what was there."""
        if self.filled:
            self.write_shard()
        if self.columns["id"]:
            self.write_rows()
        self.manifest.close()
        info = DatasetInfo(
            source=source,
            fingerprint=self.digest.hexdigest(),
            images=self.images,
            set_aside=self.recorded - self.images,
            resolution=self.shape[0],
            channels=self.shape[2],
            own_sizes=self.own_sizes,
            pairs=self.pairs,
            classes=list(classes),
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
