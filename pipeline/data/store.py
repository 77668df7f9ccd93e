"""Read the store: memory-mapped shards and the index of accepted rows."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError, model_validator

from pipeline.arrays import Int64Array, Items
from pipeline.data.index_columns import StringColumn, fingerprint, int_column, match_partners
from pipeline.errors import InputError
from pipeline.items import ItemSpec, upgrade_item
from pipeline.settings import Settings


class Shard(Settings):
    """One file under shards/.

    Attributes:
        file: Name of the file.
        rows: Number of items; with `own_sizes`, number of values.
        sha256: Digest of the file.
    """

    file: str
    rows: int
    sha256: str


class DatasetInfo(Settings):
    """dataset.json: a description of the shards, without paths of the machine that wrote them.

    Attributes:
        source: Name of the source.
        fingerprint: Digest of all items, with labels and splits.
        images: Number of items that were decoded.
        set_aside: Number of files that could not be decoded.
        item: Shape and dtype of an item; for pairs, of one side; with `own_sizes`, of the crops for training.
        splits: Number of items in each split.
        shards: Files of the store.
        own_sizes: Whether items keep their sizes.
        pairs: `data.pairs`. Partners from two folders are stored as two classes, A first. Partners of other kinds are
            stored in one row of twice the width, A on the left.
    """

    source: str
    fingerprint: str
    images: int
    set_aside: int
    item: ItemSpec
    splits: dict[str, int]
    shards: list[Shard]
    own_sizes: bool = False
    pairs: str = "none"

    @model_validator(mode="before")
    @classmethod
    def accept_old_keys(cls, values: Any) -> Any:
        """Read files written before `item` replaced resolution, channels and classes."""
        return upgrade_item(values)

    @property
    def side_by_side(self) -> bool:
        """Whether a row contains both partners of a pair."""
        return self.pairs not in ("none", "folders")

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """Shape of a stored row: one item, or two partners side by side."""
        return row_shape(self.item, side_by_side=self.side_by_side)

    @classmethod
    def read(cls, dataset: Path) -> "DatasetInfo":
        """Read `dataset`/dataset.json. Raise InputError if it is missing or broken."""
        path = dataset / "dataset.json"
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; run `dvc repro ingest` first") from None
        except ValidationError as error:
            raise InputError(
                f"{path}: not a dataset description: {error.errors()[0]['msg']}; run `dvc repro -f ingest`"
            ) from None


def row_shape(item: ItemSpec, *, side_by_side: bool) -> tuple[int, int, int]:
    """Return the shape of a stored row, [H, W, C]."""
    return item.height, item.width * (2 if side_by_side else 1), item.channels


@dataclass(frozen=True)
class ItemSet:
    """The accepted items of one split.

    Attributes:
        shards: Memory-mapped shards.
        shard, row: Shard of each item and position in it, int64 [N].
        labels: Labels, int64 [N]; -1 without classes.
        names: Files of the items.
        item: Shape, dtype and class names of an item.
        fingerprint: sha256 over values, labels and captions in order; equal fingerprints mean equal data.
        captions: Texts that describe the items, "" for an item without one; empty if no training item has one.
    """

    shards: Sequence[Items] = field(repr=False)
    shard: Int64Array = field(repr=False)
    row: Int64Array = field(repr=False)
    labels: Int64Array = field(repr=False)
    names: Sequence[str] = field(repr=False)
    item: ItemSpec
    fingerprint: str
    captions: Sequence[str] = field(default=(), repr=False, kw_only=True)

    def __len__(self) -> int:
        return len(self.row)

    @property
    def classes(self) -> Sequence[str]:
        """Names of the labels."""
        return self.item.classes

    def images(self, indices: npt.ArrayLike | None = None) -> Items:
        """Read the items at these positions, [n, H, W, C]; None reads the whole set."""
        positions = self.positions(indices)
        return read_rows(self.shards, self.shard[positions], self.row[positions])

    def positions(self, indices: npt.ArrayLike | None) -> Int64Array:
        """Return positions as an array; None means all."""
        return np.arange(len(self)) if indices is None else np.asarray(indices, dtype=np.int64)


@dataclass(frozen=True)
class VariableSizeSet(ItemSet):
    """Items of different sizes; `row` is the position of the first value in the flat shard.

    `images` returns centre crops of the shape in `item`.
    """

    heights: Int64Array = field(repr=False, kw_only=True)
    widths: Int64Array = field(repr=False, kw_only=True)

    def read_uncropped(self, position: int) -> Items:
        """Return one item in its full size, [H, W, C], memory-mapped."""
        shape = int(self.heights[position]), int(self.widths[position]), self.item.channels
        flat, start = self.shards[int(self.shard[position])], int(self.row[position])
        return flat[start : start + shape[0] * shape[1] * shape[2]].reshape(shape)

    def images(self, indices: npt.ArrayLike | None = None) -> Items:
        """Read the centre crops of the items at these positions; None reads the whole set."""
        positions = self.positions(indices)
        height, width, _ = self.item.shape
        out = np.empty((len(positions), *self.item.shape), dtype=self.item.dtype)
        for number, position in enumerate(positions.tolist()):
            values = self.read_uncropped(position)
            top, left = (values.shape[0] - height) // 2, (values.shape[1] - width) // 2
            out[number] = values[top : top + height, left : left + width]
        return out


@dataclass(frozen=True)
class PairSet(ItemSet):
    """Pairs of an item A and an item B.

    `images` returns A and B side by side, [n, H, 2 W, C]. `item` describes one side, `names` are those of A, and all
    `labels` are -1.

    Attributes:
        partners: Shards and rows of B, if `shard` and `row` are those of A; None if one row contains both.
    """

    partners: tuple[Int64Array, Int64Array] | None = field(repr=False, kw_only=True)

    def images(self, indices: npt.ArrayLike | None = None) -> Items:
        """Read pairs, A and B side by side; None reads the whole set."""
        if self.partners is None:
            return super().images(indices)
        return np.concatenate([self.read_side(0, indices), self.read_side(1, indices)], axis=2)

    def read_side(self, number: int, indices: npt.ArrayLike | None = None) -> Items:
        """Read A (0) or B (1) of the pairs at these positions, [n, H, W, C]."""
        positions = self.positions(indices)
        if self.partners is None:
            wide = read_rows(self.shards, self.shard[positions], self.row[positions])
            return np.ascontiguousarray(np.split(wide, 2, axis=2)[number])
        shard, row = self.partners if number else (self.shard, self.row)
        return read_rows(self.shards, shard[positions], row[positions])


def read_rows(shards: Sequence[Items], shard: Int64Array, row: Int64Array) -> Items:
    """Read rows of shards, [n, H, W, C]."""
    out = np.empty((len(row), *shards[0].shape[1:]), dtype=shards[0].dtype)
    for number in np.unique(shard):
        members = np.flatnonzero(shard == number)
        out[members] = shards[number][row[members]]
    return out


READ = {"path", "label", "split", "shard", "row", "stored_height", "stored_width", "pixels_sha256", "pair", "caption"}
"""Columns of the index that a split needs."""


def open_split(dataset: Path, validated: Path, split: str, *, verify: bool = False) -> ItemSet:
    """Open the accepted items of a split.

    Args:
        dataset: Folder of the store.
        validated: Folder of the index.
        split: "train" or "test".
        verify: Verify the sha256 of each shard.

    Raises:
        InputError: A file is missing or damaged.
    """
    info = DatasetInfo.read(dataset)
    index = validated / "index.parquet"
    try:
        names = set(pq.read_schema(index).names)
        table = pq.read_table(index, columns=[*names & READ], filters=[("split", "=", split)])
    except (FileNotFoundError, OSError, pa.ArrowException) as error:
        raise InputError(f"{index}: cannot be read ({error}); run `dvc repro validate` first") from None
    partners = None
    if info.pairs == "folders":
        a, b = match_partners(table, index)
        table, partners = table.take(a), table.take(b)
    labels = int_column(table, "label") if info.pairs == "none" else np.full(len(table), -1, dtype=np.int64)
    captioned = info.item.vocabulary is not None
    common: dict[str, Any] = {
        "shards": [open_shard(dataset, info, shard, verify=verify) for shard in info.shards],
        "shard": int_column(table, "shard"),
        "row": int_column(table, "row"),
        "labels": labels,
        "names": StringColumn(table.column("path")),
        "item": info.item,
        "fingerprint": fingerprint([table] if partners is None else [table, partners], labels, captioned=captioned),
        "captions": StringColumn(table.column("caption")) if captioned else (),
    }
    if info.pairs != "none":
        where = None if partners is None else (int_column(partners, "shard"), int_column(partners, "row"))
        item = info.item.model_copy(update={"classes": ()})
        return PairSet(**common | {"item": item}, partners=where)
    if info.own_sizes:
        heights, widths = int_column(table, "stored_height"), int_column(table, "stored_width")
        return VariableSizeSet(**common, heights=heights, widths=widths)
    return ItemSet(**common)


def open_shard(dataset: Path, info: DatasetInfo, shard: Shard, *, verify: bool) -> Items:
    """Memory-map one shard. Raise InputError with its path if it is missing, truncated or changed."""
    path = dataset / "shards" / shard.file
    try:
        if verify:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            if sha256 != shard.sha256:
                raise InputError(
                    f"{path}: its sha256 differs from dataset.json, so it was damaged or edited: "
                    "run `dvc repro -f ingest`"
                )
        array: Items = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run `dvc repro -f ingest`") from None
    expected = (shard.rows,) if info.own_sizes else (shard.rows, *info.row_shape)
    if array.dtype != np.dtype(info.item.dtype) or array.shape != expected:
        raise InputError(
            f"{path}: contains {array.dtype} {list(array.shape)}, but dataset.json says {info.item.dtype} "
            f"{list(expected)}; "
            "run `dvc repro -f ingest`"
        )
    return array
