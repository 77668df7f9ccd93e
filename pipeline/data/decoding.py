"""Decode files in parallel and in order.

The results do not depend on the number of processes, on where they run, or on the order in which they finish.
"""

import hashlib
import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from pipeline.arrays import Items
from pipeline.data.remote_objects import StoredBytes, read_stored
from pipeline.data.workers import Workers
from pipeline.items import ItemSpec
from pipeline.media.base import Medium
from pipeline.media.codec import BadItem, Bounds, Item
from pipeline.media.settings import DataSettings

CHUNK_BYTES = 8 * 2**20
CHUNK_OWN_SIZES = 4  # files per chunk if items keep their sizes, because a file may be large
DECODING = threading.Lock()

Key = TypeVar("Key")


@dataclass(frozen=True)
class Decoder:
    """Decodes the bytes of a file into items of `spec`. It is sent to the worker processes."""

    medium: Medium
    settings: DataSettings
    spec: ItemSpec

    def decode(self, data: bytes) -> "DecodedFile":
        """Decode one file. The result of an unusable file has an error and no items."""
        sha256, size = hashlib.sha256(data).hexdigest(), len(data)
        try:
            items = [DecodedItem.of(item) for item in self.medium.decode(data, self.settings)]
        except BadItem as error:
            return DecodedFile(sha256, size, error=" ".join(str(error).split()))
        return DecodedFile(sha256, size, items) if items else DecodedFile(sha256, size, error="contains no items")

    def files_per_chunk(self, most: int) -> int:
        """Return the number of files per chunk, at most `most`, so that the items of a chunk fit into memory."""
        if self.settings.layout().own_sizes:
            return CHUNK_OWN_SIZES
        size = (
            math.prod(self.spec.shape) * np.dtype(self.spec.dtype).itemsize * (2 if self.settings.side_by_side else 1)
        )
        return min(most, max(1, CHUNK_BYTES // size))


@dataclass(frozen=True)
class DecodedItem:
    """One item: values [H, W, C], their sha256, and the medium's facts about it; `bounds` as in `Item`."""

    values: Items
    sha256: str
    facts: Mapping[str, Any]
    bounds: Bounds | None = None

    @classmethod
    def of(cls, item: Item) -> "DecodedItem":
        """Add the hash of its values to an item."""
        values = np.ascontiguousarray(item.values)
        return cls(values, hashlib.sha256(values.tobytes()).hexdigest(), dict(item.facts), item.bounds)


@dataclass(frozen=True)
class DecodedFile:
    """The result of decoding one file of `size` bytes; `error` is None if it succeeded."""

    sha256: str
    size: int
    items: list[DecodedItem] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True)
class DecodingJob(Generic[Key]):
    """One file to decode.

    Attributes:
        key: Is returned with the result.
        data: Content of the file, or the object that the worker reads; None if it cannot be read. Such a job keeps
            its place in the order.
    """

    key: Key
    data: bytes | StoredBytes | None


def decode_chunk(files: Sequence[bytes | StoredBytes | None], decoder: Decoder) -> list[DecodedFile | None]:
    """Decode a chunk in a worker process. The result of a file that was not read is None.

    Several threads of a worker read objects at the same time, and one of them decodes: decoders need not be
    thread-safe.
    """
    stored = iter(read_stored([data for data in files if isinstance(data, StoredBytes)]))
    contents = [next(stored) if isinstance(data, StoredBytes) else data for data in files]
    with DECODING:
        return [None if data is None else decoder.decode(data) for data in contents]


def group_jobs(jobs: Iterable[DecodingJob[Key]], most: int) -> Iterator[list[DecodingJob[Key]]]:
    """Group jobs into chunks of at most `most` files and about 8 MiB."""
    group: list[DecodingJob[Key]] = []
    size = 0
    for job in jobs:
        group.append(job)
        size += 0 if job.data is None else len(job.data)
        if len(group) >= most or size >= CHUNK_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def decode_all(
    jobs: Iterable[DecodingJob[Key]], decoder: Decoder, workers: Workers
) -> Iterator[tuple[Key, DecodedFile | None]]:
    """Yield the key and result of each job, in the given order.

    Raises:
        InputError: The workers are lost, or an object of a remote source cannot be read.
    """
    groups = group_jobs(jobs, decoder.files_per_chunk(workers.chunk_files))
    tasks = (([job.key for job in group], ([job.data for job in group], decoder)) for group in groups)
    for keys, files in workers.run_in_order(decode_chunk, tasks):
        yield from zip(keys, files, strict=True)
