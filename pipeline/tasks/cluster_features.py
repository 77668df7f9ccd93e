"""Compute features on the workers of a Dask cluster, with the same bytes as on this machine.

Sums of float32 depend on the processor, on the libraries and, for some shapes, on the number of threads. So no worker
is trusted: it first computes a batch whose features are known, and it only gets batches of that size.
This module imports no torch, because the scheduler imports it too.
"""

import os
import pickle
import sys
import threading
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from pipeline.arrays import Float32Array, Items
from pipeline.code_digest import defining_modules
from pipeline.data.cluster import VARIABLE, Cluster, this_worker
from pipeline.errors import InputError

if TYPE_CHECKING:
    import torch

    from pipeline.evaluation.extractors.base import Compute, Extractor


def choose_compute(device: "torch.device") -> "Compute":
    """Return how features are computed: on the workers of `GANLINE_SCHEDULER`, or in this process without it.

    A GPU of this machine computes them itself, because other processors would not return the same bytes.
    """
    from pipeline.evaluation.extractors.base import compute_here

    address = os.environ.get(VARIABLE)
    return ClusterFeatures(address) if address and device.type == "cpu" else compute_here


class ClusterFeatures:
    """Computes features on the workers of a Dask scheduler; connects if there is more than one full batch.

    Args:
        address: Address of the scheduler.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.is_announced = False

    def __call__(self, extractor: "Extractor", batches: Iterable[Items]) -> Iterator[Float32Array]:
        """Yield the features of batches, in their order.

        This process computes the first batch, which checks the workers, and a last one that is smaller.

        Raises:
            InputError: The workers are lost, have other software, or compute other features.
        """
        waiting = iter(batches)
        first = next(waiting, None)
        if first is None:
            return
        features = extractor.features(first)
        yield features
        size, smaller = len(first), list[Items]()

        def select_full() -> Iterator[Items]:
            for batch in waiting:
                if len(batch) == size:
                    yield batch
                else:
                    smaller.append(batch)

        full = select_full()
        second = next(full, None)
        if second is not None:
            with self.connect(extractor) as workers:
                shared = workers.share(SharedExtractor, pack(extractor, first, features))
                tasks = ((None, (shared, batch)) for batch in chain([second], full))
                for _, result in workers.run_in_order(SharedExtractor.features, tasks):
                    yield result
        yield from map(extractor.features, smaller)

    def connect(self, extractor: "Extractor") -> Cluster:
        """Connect to workers that have the same software."""
        if not self.is_announced:
            sys.stderr.write(f"ganline: computing features on the Dask workers of {self.address}\n")
            self.is_announced = True
        return Cluster(self.address, defining_modules(*extractor.code))


def pack(extractor: "Extractor", items: Items, features: Float32Array) -> bytes:
    """Return an extractor as bytes, with a batch and its features on this machine."""
    return pickle.dumps((extractor, items, features, find_processor()), pickle.HIGHEST_PROTOCOL)


def find_processor() -> tuple[str, int]:
    """Return the instructions that torch uses on this processor, and its number of threads."""
    import torch

    return torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()


class SharedExtractor:
    """An extractor on a worker. It is opened for the first batch, after the software of the worker was checked.

    Args:
        packed: What `pack` returns.
    """

    def __init__(self, packed: bytes) -> None:
        self.packed, self.lock = packed, threading.Lock()
        self.extractor: Extractor | None = None

    def __reduce__(self) -> tuple[type["SharedExtractor"], tuple[bytes]]:
        return SharedExtractor, (self.packed,)

    def features(self, items: Items) -> Float32Array:
        """Return the features of one batch. Raise InputError if this worker computes other ones than the sender."""
        with self.lock:
            if self.extractor is None:
                self.extractor = self.open()
        return self.extractor.features(items)

    def open(self) -> "Extractor":
        """Return the extractor, after it has computed the known batch."""
        extractor: Extractor
        extractor, items, expected, (instructions, threads) = pickle.loads(self.packed)
        mine = find_processor()
        if mine[0] != instructions or extractor.features(items).tobytes() != expected.tobytes():
            raise InputError(
                f"{VARIABLE}: {this_worker()} computes other features than this machine. It uses {mine[0]} "
                f"(threads: {mine[1]}), this machine {instructions} (threads: {threads}). Use workers with the same "
                f"processor, set OMP_NUM_THREADS to the same number everywhere, or unset {VARIABLE} to use only this "
                "machine"
            )
        return extractor
