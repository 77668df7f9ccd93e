"""Run functions in other processes: results come in the order of the tasks, with a bounded number in flight.

Where the functions run does not change the results: in this process, in local processes, or on a cluster (`cluster`).
"""

import collections
import multiprocessing
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from types import TracebackType
from typing import Any, Self, TypeVar

from pipeline.errors import InputError

Key = TypeVar("Key")
Result = TypeVar("Result")

FILES_PER_WORKER = 1024  # with fewer files, starting another process does not pay off
MAX_WORKERS = 16  # one process reads all files and cannot supply more workers


class Workers(ABC):
    """Processes that run functions. A context manager that stops what still runs.

    Attributes:
        chunk_files: Small files that one task should hold, so that its cost is small against theirs.
    """

    chunk_files = 64

    @abstractmethod
    def submit(self, function: Callable[..., Result], *arguments: Any) -> "Future[Result]":
        """Start a function of a module with arguments that can be pickled."""

    @abstractmethod
    def most_waiting(self) -> int:
        """Return how many tasks may wait for their turn while the result of the first one is awaited."""

    def wait(self, future: "Future[Result]") -> Result:
        """Return the result of a task. Raise what the function raised, or InputError if the workers are lost."""
        return future.result()

    def run_in_order(
        self, function: Callable[..., Result], tasks: Iterable[tuple[Key, tuple[Any, ...]]]
    ) -> Iterator[tuple[Key, Result]]:
        """Yield the key and the result of each task (key, arguments), in the order of the tasks.

        Tasks are only asked for as far ahead as workers can be kept busy, and results are dropped once they are
        yielded. Memory is therefore independent of the number of tasks.
        """
        waiting: collections.deque[tuple[Key, Future[Result]]] = collections.deque()
        for key, arguments in tasks:
            waiting.append((key, self.submit(function, *arguments)))
            if len(waiting) > self.most_waiting():
                first, future = waiting.popleft()
                yield first, self.wait(future)
        while waiting:
            first, future = waiting.popleft()
            yield first, self.wait(future)

    @abstractmethod
    def close(self) -> None:
        """Cancel what has not started, and stop the workers that were started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SameProcess(Workers):
    """Runs each function at once, in this process."""

    def submit(self, function: Callable[..., Result], *arguments: Any) -> "Future[Result]":
        future: Future[Result] = Future()
        future.set_result(function(*arguments))
        return future

    def most_waiting(self) -> int:
        return 0

    def close(self) -> None:
        pass


class LocalProcesses(Workers):
    """Processes of this machine."""

    def __init__(self, count: int) -> None:
        self.count = count
        # Spawned, because forking a process with threads (torch, Arrow) can hang.
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(count, mp_context=context, initializer=exit_with_parent)

    def submit(self, function: Callable[..., Result], *arguments: Any) -> "Future[Result]":
        with explain_kills():
            return self.pool.submit(function, *arguments)

    def most_waiting(self) -> int:
        return 2 * self.count

    def wait(self, future: "Future[Result]") -> Result:
        with explain_kills():
            return future.result()

    def close(self) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def explain_kills() -> Iterator[None]:
    """Turn the error of a broken pool into an InputError."""
    try:
        yield
    except BrokenProcessPool:
        raise InputError(
            "a decoding process was killed, most likely because memory ran out; nothing was written. "
            "Lower data.limits or free memory, then run the command again."
        ) from None


def local_workers(count: int) -> Workers:
    """Return `count` processes of this machine; 1 is this process."""
    return SameProcess() if count == 1 else LocalProcesses(count)


def choose_workers(files: int) -> int:
    """Return the number of worker processes for `files` files; 1 means to decode in this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, MAX_WORKERS, files // FILES_PER_WORKER))


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
