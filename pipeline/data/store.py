"""Reading the store: uint8 shards, memory-mapped, and the index of accepted rows over them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError, model_validator

from pipeline.arrays import Int64Array, Items, UInt8Array
from pipeline.errors import InputError
from pipeline.items import ItemSpec, upgrade_item
from pipeline.media.image.settings import Pairing
from pipeline.settings import Settings


class Shard(Settings):
    """One file under shards/: `rows` images, or bytes of images of their own sizes, and the sha256 of the file."""

    file: str
    rows: int
    sha256: str


class DatasetInfo(Settings):
    """dataset.json: what the shards hold, without a path of the machine that made them.

    Attributes:
        item: One item; of a pair, one of its sides; with `own_sizes`, one of the crops that training takes.
        own_sizes: Items keep their sizes.
        pairs: data.pairs. The partners of halves and outline are stored in one row of twice the width, A on the left;
            those of folders as two classes, A first.
    """

    source: str
    fingerprint: str
    images: int
    set_aside: int
    item: ItemSpec
    splits: dict[str, int]
    shards: list[Shard]
    own_sizes: bool = False
    pairs: Pairing = "none"

    @model_validator(mode="before")
    @classmethod
    def accept_old_keys(cls, values: Any) -> Any:
        """Read files written before `item` replaced resolution, channels and classes."""
        return upgrade_item(values)

    @classmethod
    def read(cls, dataset: Path) -> "DatasetInfo":
        """Reads `dataset`/dataset.json. Raises InputError when it is missing or broken."""
        path = dataset / "dataset.json"
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; run `dvc repro ingest` first") from None
        except ValidationError as error:
            raise InputError(
                f"{path}: not a dataset description: {error.errors()[0]['msg']}; run `dvc repro -f ingest`"
            ) from None


@dataclass(frozen=True)
class ImageSet:
    """The accepted images of one split.

    `labels` is int64 [N], -1 where the data has no classes; `fingerprint` is a sha256 over pixels and
    labels in order, so that two sets with one fingerprint hold the same data.
    """

    shards: Sequence[UInt8Array] = field(repr=False)
    shard: Int64Array = field(repr=False)
    row: Int64Array = field(repr=False)
    labels: Int64Array = field(repr=False)
    names: Sequence[str] = field(repr=False)
    classes: Sequence[str]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.row)

    def images(self, indices: npt.ArrayLike | None = None) -> UInt8Array:
        """uint8 [n, H, W, C] for positions in this set; None reads the whole set."""
        picked = self.picked(indices)
        return gathered(self.shards, self.shard[picked], self.row[picked])

    def picked(self, indices: npt.ArrayLike | None) -> Int64Array:
        """Positions; None for all."""
        return np.arange(len(self)) if indices is None else np.asarray(indices, dtype=np.int64)

    @cached_property
    def item_shape(self) -> tuple[int, int, int]:
        height, width, channels = self.shards[0].shape[1:]
        return height, width, channels


@dataclass(frozen=True)
class Photographs(ImageSet):
    """Images of their own sizes; `row` is where one begins in its flat shard. As a set of equal images they are the squares in their middles."""

    heights: Int64Array = field(repr=False, kw_only=True)
    widths: Int64Array = field(repr=False, kw_only=True)
    resolution: int = field(kw_only=True)
    channels: int = field(kw_only=True)

    @property
    def item_shape(self) -> tuple[int, int, int]:
        return self.resolution, self.resolution, self.channels

    def picture(self, position: int) -> UInt8Array:
        """One whole image, uint8 [H, W, C], memory-mapped."""
        height, width, start = int(self.heights[position]), int(self.widths[position]), int(self.row[position])
        flat = self.shards[int(self.shard[position])]
        return flat[start : start + height * width * self.channels].reshape(height, width, self.channels)

    def images(self, indices: npt.ArrayLike | None = None) -> UInt8Array:
        picked = self.picked(indices)
        out = np.empty((len(picked), *self.item_shape), dtype=np.uint8)
        side = self.resolution
        for number, position in enumerate(picked.tolist()):
            whole = self.picture(position)
            top, left = (whole.shape[0] - side) // 2, (whole.shape[1] - side) // 2
            out[number] = whole[top : top + side, left : left + side]
        return out


@dataclass(frozen=True)
class Pairs(ImageSet):
    """Pairs A and B; `shard` and `row` say where a pair's wide row lies, or where A's square does and `partners` (shards, rows) where B's.

    As a set of images they are A and B side by side, uint8 [n, R, 2R, C]; `names` are those of A, `labels` all -1.
    """

    partners: tuple[Int64Array, Int64Array] | None = field(repr=False, kw_only=True)

    @property
    def item_shape(self) -> tuple[int, int, int]:
        height, width, channels = self.shards[0].shape[1:]
        return height, width * (1 if self.partners is None else 2), channels

    def images(self, indices: npt.ArrayLike | None = None) -> UInt8Array:
        if self.partners is None:
            return super().images(indices)
        return np.concatenate([self.side(0, indices), self.side(1, indices)], axis=2)

    def side(self, number: int, indices: npt.ArrayLike | None = None) -> UInt8Array:
        """A (0) or B (1) of some pairs, uint8 [n, R, R, C]."""
        picked = self.picked(indices)
        if self.partners is None:
            wide = gathered(self.shards, self.shard[picked], self.row[picked])
            return np.ascontiguousarray(np.split(wide, 2, axis=2)[number])
        shard, row = self.partners if number else (self.shard, self.row)
        return gathered(self.shards, shard[picked], row[picked])


def row_shape(item: ItemSpec, pairs: Pairing) -> tuple[int, int, int]:
    """Return the shape of one stored row: of one item, or of two partners side by side."""
    return item.height, item.width * (1 if pairs in ("none", "folders") else 2), item.channels


def gathered(shards: Sequence[Items], shard: Int64Array, row: Int64Array) -> Items:
    """Return rows of shards, [n, H, W, C]."""
    out = np.empty((len(row), *shards[0].shape[1:]), dtype=shards[0].dtype)
    for number in np.unique(shard):
        here = np.flatnonzero(shard == number)
        out[here] = shards[number][row[here]]
    return out


def open_split(dataset: Path, validated: Path, split: str, *, verify: bool = False) -> ImageSet:
    """Opens the accepted images of `split` ("train" or "test"); `verify` checks every shard's sha256.

    Raises InputError naming the missing or damaged file.
    """
    info = DatasetInfo.read(dataset)
    index = validated / "index.parquet"
    try:
        table = pq.read_table(index, filters=[("split", "=", split)])
    except (FileNotFoundError, OSError, pa.ArrowException) as error:
        raise InputError(f"{index}: cannot be read ({error}); run `dvc repro validate` first") from None
    partners = None
    if info.pairs == "folders":
        a, b = joined(table, index)
        table, partners = table.take(a), table.take(b)
    names = ("shard", "row", "label", *(("stored_height", "stored_width") if info.own_sizes else ()))
    columns: dict[str, Any] = {name: table.column(name).to_numpy().astype(np.int64) for name in names}
    if partners is not None:
        columns["label"] = np.full(len(table), -1, dtype=np.int64)
    content = [
        table.column("pixels_sha256").to_pylist(),
        *([partners.column("pixels_sha256").to_pylist()] if partners is not None else []),
    ]
    digest = hashlib.sha256()
    for *pixels, label in zip(*content, columns["label"].tolist(), strict=True):
        digest.update(f"{' '.join(pixels)} {label}\n".encode())
    common: dict[str, Any] = {
        "shards": [open_shard(dataset, info, shard, verify=verify) for shard in info.shards],
        "shard": columns["shard"],
        "row": columns["row"],
        "labels": columns["label"],
        "names": table.column("path").to_pylist(),
        "classes": info.item.classes,
        "fingerprint": digest.hexdigest(),
    }
    if info.pairs != "none":
        where = (
            None
            if partners is None
            else tuple(partners.column(name).to_numpy().astype(np.int64) for name in ("shard", "row"))
        )
        return Pairs(**common | {"classes": []}, partners=where)
    if not info.own_sizes:
        return ImageSet(**common)
    sizes = {"heights": columns["stored_height"], "widths": columns["stored_width"]}
    return Photographs(**common, **sizes, resolution=info.item.height, channels=info.item.channels)


def joined(table: pa.Table, index: Path) -> tuple[list[int], list[int]]:
    """Positions of A's rows, in order, and of their partners', by name. Raises InputError where one has none: validate sets such files aside."""
    names, labels = table.column("pair").to_pylist(), table.column("label").to_pylist()
    places: list[dict[str, int]] = [{}, {}]
    for position, (name, label) in enumerate(zip(names, labels, strict=True)):
        places[label][name] = position
    if places[0].keys() != places[1].keys() or len(places[0]) * 2 != len(names):
        raise InputError(f"{index}: holds images without a partner; run `dvc repro -f validate`")
    return list(places[0].values()), [places[1][name] for name in places[0]]


def open_shard(dataset: Path, info: DatasetInfo, shard: Shard, *, verify: bool) -> Items:
    """Memory-map one shard. Raise InputError with its path if it is missing, truncated or changed."""
    path = dataset / "shards" / shard.file
    try:
        if verify:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != shard.sha256:
                raise InputError(
                    f"{path}: its sha256 is not the one in dataset.json; it was damaged or edited: run `dvc repro -f ingest`"
                )
        array: Items = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run `dvc repro -f ingest`") from None
    expected = (shard.rows,) if info.own_sizes else (shard.rows, *row_shape(info.item, info.pairs))
    if array.dtype != np.dtype(info.item.dtype) or array.shape != expected:
        raise InputError(
            f"{path}: holds {array.dtype} {list(array.shape)}, dataset.json says {info.item.dtype} {list(expected)}; "
            "run `dvc repro -f ingest`"
        )
    return array
