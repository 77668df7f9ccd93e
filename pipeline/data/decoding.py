"""Decoding in parallel, in order, with a bounded number of files in flight.

What comes out depends on the files alone: not on the number of processes, nor on which finishes first.
"""

import collections
import hashlib
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection
from typing import Generic, TypeVar

import numpy as np

from pipeline.arrays import UInt8Array
from pipeline.errors import InputError
from pipeline.media.image.image import BadImage, Target, decode

CHUNK_FILES = 64
CHUNK_BYTES = 8 * 2**20
KEPT_FILES = 4  # photographs of their own sizes, which no header promises to be small
FILES_PER_WORKER = 1024  # fewer than this many files do not repay the start of another process
MOST_WORKERS = 16  # one process reads for all; it feeds no more than about this many

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one file after decoding; `error` is None for a good one. `mean` and `std` are of the packed pixels, 0..1; of a pair side by
    side `std` is that of its flatter half."""

    sha256: str
    width: int | None = None
    height: int | None = None
    mode: str | None = None
    mean: float | None = None
    std: float | None = None
    pixels_sha256: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Job(Generic[Key]):
    """One file to decode; `key` comes back with the result. `data` None passes through undecoded, in its turn."""

    key: Key
    data: bytes | None


Outcome = tuple[Facts | None, UInt8Array | None]
"""Facts are None for a file that was never read; pixels (uint8 [H, W, C]) are None for a bad one."""


def decode_chunk(files: list[bytes | None], target: Target) -> list[Outcome]:
    """Decodes some files; runs in a worker process."""
    return [(None, None) if data is None else examine(data, target) for data in files]


def examine(data: bytes, target: Target) -> tuple[Facts, UInt8Array | None]:
    """One file's facts, and its pixels when it is good."""
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        image = decode(data, target)
    except BadImage as error:
        return Facts(sha256, error=str(error)), None
    pixels = np.ascontiguousarray(image.pixels)
    mean, variance = moments(pixels)
    if target.pairs != "none":
        variance = min(moments(half)[1] for half in np.split(pixels, 2, axis=1))
    facts = Facts(
        sha256,
        image.width,
        image.height,
        image.mode,
        mean / 255,
        variance**0.5 / 255,
        hashlib.sha256(pixels.tobytes()).hexdigest(),
    )
    return facts, pixels


def moments(pixels: UInt8Array) -> tuple[float, float]:
    """Mean and variance of 8-bit values."""
    # Whole-number sums are exact, so the figures are the same on every machine.
    values = pixels.astype(np.int64)
    mean = int(values.sum()) / pixels.size
    return mean, max(0.0, int((values * values).sum()) / pixels.size - mean * mean)


def worker_count(files: int) -> int:
    """Processes worth starting for so many files; 1 decodes in this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, MOST_WORKERS, files // FILES_PER_WORKER))


def chunks(jobs: Iterable[Job[Key]], target: Target) -> Iterator[list[Job[Key]]]:
    """Jobs in groups bounded by number, by encoded size and by decoded size."""
    most = KEPT_FILES if target.fit == "keep" else min(CHUNK_FILES, max(1, CHUNK_BYTES // math.prod(target.shape)))
    group: list[Job[Key]] = []
    size = 0
    for job in jobs:
        group.append(job)
        size += len(job.data or b"")
        if len(group) >= most or size >= CHUNK_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def decode_all(jobs: Iterable[Job[Key]], target: Target, workers: int) -> Iterator[tuple[Key, Outcome]]:
    """Every job's key with its outcome, in the order given. `workers` 1 decodes in this process.

    Raises InputError when a decoding process dies.
    """
    if workers == 1:
        for group in chunks(jobs, target):
            yield from zip((job.key for job in group), decode_chunk([job.data for job in group], target), strict=True)
        return
    # Spawned, not forked: the fork of a process that has threads (torch, Arrow) can hang.
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=live_and_die_with_the_parent
    )
    waiting: collections.deque[tuple[list[Key], Future[list[Outcome]]]] = collections.deque()
    try:
        for group in chunks(jobs, target):
            waiting.append(([job.key for job in group], pool.submit(decode_chunk, [job.data for job in group], target)))
            if len(waiting) > 2 * workers:
                yield from finished(*waiting.popleft())
        while waiting:
            yield from finished(*waiting.popleft())
    except BrokenProcessPool:
        raise InputError(
            "a decoding process was killed (most often for want of memory); nothing was written. Lower data.limits.pixels or free memory, then run it again"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def live_and_die_with_the_parent() -> None:
    """Set up a worker: Ctrl-C is the parent's to answer, and a parent that was killed leaves no worker waiting for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def watch() -> None:
            connection.wait([sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def finished(keys: list[Key], future: Future[list[Outcome]]) -> Iterator[tuple[Key, Outcome]]:
    """The results of one chunk, once it is done."""
    yield from zip(keys, future.result(), strict=True)
