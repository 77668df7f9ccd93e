"""Decode files in parallel and in order, with a bounded number in flight.

The results do not depend on the number of processes or on the order in which they finish.
"""

import collections
import hashlib
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import connection
from typing import Any, Generic, TypeVar

import numpy as np

from pipeline.arrays import Items
from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.base import Medium
from pipeline.media.codec import BadItem, Bounds, Item
from pipeline.media.settings import DataSettings

CHUNK_FILES = 64
CHUNK_BYTES = 8 * 2**20
CHUNK_OWN_SIZES = 4  # files per chunk if items keep their sizes, because a file may be large
FILES_PER_WORKER = 1024  # with fewer files, starting another process does not pay off
MAX_WORKERS = 16  # one process reads all files and cannot supply more workers

Key = TypeVar("Key")


@dataclass(frozen=True)
class Decoder:
    """Decodes the bytes of a file into items of `spec`. It is sent to the worker processes."""

    medium: Medium
    settings: DataSettings
    spec: ItemSpec

    def decode(self, data: bytes) -> "DecodedFile":
        """Decode one file. The result of an unusable file has an error and no items."""
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            items = [DecodedItem.of(item) for item in self.medium.decode(data, self.settings)]
        except BadItem as error:
            return DecodedFile(sha256, error=str(error))
        return DecodedFile(sha256, items) if items else DecodedFile(sha256, error="contains no items")

    def files_per_chunk(self) -> int:
        """Return the number of files per chunk, chosen so that the items of a chunk fit into memory."""
        if self.settings.layout().own_sizes:
            return CHUNK_OWN_SIZES
        size = (
            math.prod(self.spec.shape) * np.dtype(self.spec.dtype).itemsize * (2 if self.settings.side_by_side else 1)
        )
        return min(CHUNK_FILES, max(1, CHUNK_BYTES // size))


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
    """The result of decoding one file; `error` is None if it succeeded."""

    sha256: str
    items: list[DecodedItem] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True)
class DecodingJob(Generic[Key]):
    """One file to decode.

    Attributes:
        key: Is returned with the result.
        data: Content of the file; None if it was not read. Such a job keeps its place in the order.
    """

    key: Key
    data: bytes | None


def decode_chunk(files: list[bytes | None], decoder: Decoder) -> list[DecodedFile | None]:
    """Decode a chunk in a worker process. The result of a file that was not read is None."""
    return [None if data is None else decoder.decode(data) for data in files]


def choose_workers(files: int) -> int:
    """Return the number of worker processes for `files` files; 1 means to decode in this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, MAX_WORKERS, files // FILES_PER_WORKER))


def group_jobs(jobs: Iterable[DecodingJob[Key]], most: int) -> Iterator[list[DecodingJob[Key]]]:
    """Group jobs into chunks of at most `most` files and about 8 MiB."""
    group: list[DecodingJob[Key]] = []
    size = 0
    for job in jobs:
        group.append(job)
        size += len(job.data or b"")
        if len(group) >= most or size >= CHUNK_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def decode_all(
    jobs: Iterable[DecodingJob[Key]], decoder: Decoder, workers: int
) -> Iterator[tuple[Key, DecodedFile | None]]:
    """Yield the key and result of each job, in the given order. With 1 worker, decode in this process.

    Raises:
        InputError: A decoding process was killed.
    """
    groups = group_jobs(jobs, decoder.files_per_chunk())
    if workers == 1:
        for group in groups:
            yield from zip((job.key for job in group), decode_chunk([job.data for job in group], decoder), strict=True)
        return
    # Spawned, because forking a process with threads (torch, Arrow) can hang.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=exit_with_parent)
    waiting: collections.deque[tuple[list[Key], Future[list[DecodedFile | None]]]] = collections.deque()
    try:
        for group in groups:
            future = pool.submit(decode_chunk, [job.data for job in group], decoder)
            waiting.append(([job.key for job in group], future))
            if len(waiting) > 2 * workers:
                yield from collect_results(*waiting.popleft())
        while waiting:
            yield from collect_results(*waiting.popleft())
    except BrokenProcessPool:
        raise InputError(
            "a decoding process was killed, most likely because memory ran out; nothing was written. "
            "Lower data.limits or free memory, then run the command again."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def exit_with_parent() -> None:
    """Set up a worker: it ignores Ctrl-C, which the parent handles, and exits if the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def watch() -> None:
            connection.wait([sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def collect_results(
    keys: list[Key], future: Future[list[DecodedFile | None]]
) -> Iterator[tuple[Key, DecodedFile | None]]:
    """Wait for a chunk and yield its results."""
    yield from zip(keys, future.result(), strict=True)
