"""Columns of the index of accepted rows. Strings stay in Arrow's memory, so that rows are no Python objects."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa

from pipeline.arrays import Int64Array
from pipeline.errors import InputError

BATCH_ROWS = 4096


class StringColumn(Sequence[str]):
    """The values of a column of a table, as a read-only sequence; a null is an empty string."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self.column = column

    def __len__(self) -> int:
        return len(self.column)

    @overload
    def __getitem__(self, position: int) -> str: ...

    @overload
    def __getitem__(self, position: slice) -> list[str]: ...

    def __getitem__(self, position: int | slice) -> str | list[str]:
        if isinstance(position, slice):
            return [self[number] for number in range(*position.indices(len(self)))]
        return self.column[int(position)].as_py() or ""

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BATCH_ROWS):
            yield from (text or "" for text in self.column.slice(start, BATCH_ROWS).to_pylist())


def int_column(table: pa.Table, name: str) -> Int64Array:
    """Return a column as int64."""
    values: Int64Array = table.column(name).to_numpy().astype(np.int64)
    return values


def fingerprint(tables: Sequence[pa.Table], labels: Int64Array, *, captioned: bool = False) -> str:
    """Return a sha256 over the values, labels and captions of rows in order; for pairs over both partners."""
    digest = hashlib.sha256()
    columns = [StringColumn(table.column("pixels_sha256")) for table in tables]
    if captioned:
        columns.append(StringColumn(tables[0].column("caption").fill_null("None")))
    for *values, label in zip(*columns, labels, strict=True):
        digest.update(f"{' '.join(values)} {label}\n".encode())
    return digest.hexdigest()


def match_partners(table: pa.Table, index: Path) -> tuple[list[int], list[int]]:
    """Return the positions of A's rows, in order, and of their partners' rows, matched by name.

    Raises:
        InputError: A row has no partner, although the validate stage sets such files aside.
    """
    names, labels = table.column("pair").to_pylist(), table.column("label").to_pylist()
    places: list[dict[str, int]] = [{}, {}]
    for position, (name, label) in enumerate(zip(names, labels, strict=True)):
        places[label][name] = position
    if places[0].keys() != places[1].keys() or len(places[0]) * 2 != len(names):
        raise InputError(f"{index}: contains items without a partner; run `dvc repro -f validate`")
    return list(places[0].values()), [places[1][name] for name in places[0]]
