"""Workers on a Dask cluster, which `GANLINE_SCHEDULER` names.

Tasks only return values, so one that runs twice does no harm: Dask repeats the tasks of a worker that is lost. Every
task has a key of its own. A result is dropped on the cluster as soon as it has arrived here.
"""

import functools
import importlib.metadata
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from pipeline.code_digest import code_digest, read_source, source_files
from pipeline.data.workers import Workers
from pipeline.errors import InputError

Result = TypeVar("Result")

VARIABLE = "GANLINE_SCHEDULER"
CONNECT_SECONDS = 15.0
WORKERS_SECONDS = 60.0
"""How long to wait for the first worker, and for another one after all are lost."""
POLL_SECONDS = 5.0
MOST_CHUNKS = 64
"""Most tasks in flight. A chunk of files has about 8 MiB, and 8 MiB of items."""
LARGEST_TASK = "16 GB"
CODE = "the code of ganline"
DIGESTING = threading.Lock()
"""Threads of one worker must not parse at the same time: `ast.parse` of Python 3.11 then fails now and then."""


class Cluster(Workers):
    """The workers of a Dask scheduler.

    Args:
        address: Address of the scheduler, such as tcp://10.0.0.1:8786.
        modules: The modules whose code the workers run. Their software must be that of this machine.

    Raises:
        InputError: The scheduler cannot be reached, has other versions, or has no workers.
    """

    chunk_files = 512

    def __init__(self, address: str, modules: Sequence[str]) -> None:
        self.address, self.modules = address, tuple(modules)
        self.software = software_of(*modules)
        self.client = connect(address)
        try:
            self.await_workers()
            self.check_versions()
        except (OSError, RuntimeError) as error:
            self.close()
            raise self.lost(error) from None
        except BaseException:
            self.close()
            raise
        self.executor = self.client.get_executor(pure=False)
        self.submitted = 0
        self.threads = 1

    def await_workers(self) -> None:
        """Wait for the first worker."""
        try:
            self.client.wait_for_workers(1, timeout=WORKERS_SECONDS)
        except TimeoutError:
            raise InputError(
                f"{VARIABLE}: {self.address} has no workers after {WORKERS_SECONDS:g} s. Start some with "
                f"`dask worker {self.address} --nworkers 4 --nthreads 1`"
            ) from None

    def check_versions(self) -> None:
        """Check that scheduler and workers run the same version of Dask, and have ganline."""
        names = ("dask", "distributed", "ganline")
        found = self.client.get_versions(packages=["ganline"])
        mine = found["client"]["packages"]
        members = {f"the scheduler {self.address}": found["scheduler"]}
        members |= {f"the worker {address}": worker for address, worker in found["workers"].items()}
        for where, member in members.items():
            require_same({name: (mine[name], member["packages"].get(name)) for name in names}, where)

    def submit(self, function: Callable[..., Result], *arguments: Any) -> "Future[Result]":
        try:
            future: Future[Result] = self.executor.submit(run_checked, self.modules, self.software, function, arguments)
        except (OSError, RuntimeError, ValueError) as error:
            raise self.lost(error) from None
        return future

    def share(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Start a function whose result stays on the workers, and return what stands for it in `submit`.

        Each worker gets the result once, from this function or from another worker. It is computed again if it is lost.
        """
        try:
            return self.client.submit(run_checked, self.modules, self.software, function, arguments, pure=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise self.lost(error) from None

    def most_waiting(self) -> int:
        if self.submitted % MOST_CHUNKS == 0:  # workers join and leave while tasks run
            self.threads = sum(self.threads_of_workers())
        self.submitted += 1
        return min(2 * self.threads, MOST_CHUNKS)

    def wait(self, future: "Future[Result]") -> Result:
        alone_since: float | None = None
        while True:
            try:
                return future.result(POLL_SECONDS)
            except TimeoutError:
                if future.done():
                    raise
                alone_since = None if self.threads_of_workers() else alone_since or time.monotonic()
                if alone_since is not None and time.monotonic() - alone_since > WORKERS_SECONDS:
                    raise InputError(
                        f"{VARIABLE}: all workers of {self.address} are gone; nothing was written. Start workers with "
                        f"`dask worker {self.address}`, then run the command again"
                    ) from None
            except Exception as error:
                if (explained := self.explain(error)) is error:
                    raise
                raise explained from None

    def explain(self, error: BaseException) -> BaseException:
        """Return an error of Dask as an InputError, and any other error as it is."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            return InputError(
                f"{VARIABLE}: a task was given up after it ended {error.allowed_failures + 1} workers, most likely "
                "because memory ran out (their logs say more); nothing was written. Lower data.limits (to decode) or "
                "evaluate.batch_size (for features), or give the workers more memory. Then run the command again"
            )
        if isinstance(error, CancelledError | OSError):
            return self.lost(error)
        if isinstance(error, ImportError | AttributeError) or "deserialization" in str(error):
            reason = str(error.__cause__ or error).splitlines()[0]
            return InputError(f"{VARIABLE}: {self.address} cannot run this version of ganline: {reason}. {REMEDY}")
        return error

    def threads_of_workers(self) -> list[int]:
        """Return the number of threads of each worker. Raise InputError if the scheduler is lost."""
        try:
            return [*self.client.nthreads().values()]
        except (OSError, RuntimeError, ValueError) as error:
            raise self.lost(error) from None

    def lost(self, error: BaseException) -> InputError:
        """Return the error for a scheduler that does not answer any more."""
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return InputError(
            f"{VARIABLE}: the connection to the scheduler {self.address} was lost ({reason}); nothing was written. "
            "Start the scheduler and its workers, then run the command again"
        )

    def close(self) -> None:
        self.client.close(timeout=CONNECT_SECONDS)


REMEDY = (
    "Install the same ganline with the same requirements.lock on this machine, the scheduler and the workers, and "
    "restart them"
)


def connect(address: str) -> Any:
    """Return a client of a scheduler. Raise InputError if none answers."""
    import dask
    from distributed import Client

    # A task with a large file or a large feature extractor is no accident.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": LARGEST_TASK})
    # Errors of the connection become one message of this module.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about other versions, which are checked here
            return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{VARIABLE}: no Dask scheduler answers at {address!r} ({reason}). Start one with `dask scheduler` and set "
            f"{VARIABLE} to the address that it prints, such as tcp://10.0.0.1:8786; or unset it to use only this "
            "machine"
        ) from None


def software_of(*modules: str) -> Mapping[str, str]:
    """Return what decides results of modules: digest of the code, versions of Python and of the imported libraries."""
    with DIGESTING:
        return find_software(modules)


@functools.cache
def find_software(modules: tuple[str, ...]) -> Mapping[str, str]:
    """Compute `software_of`, once in each process."""
    names = {name.partition(".")[0] for file in source_files(*modules) for name in read_source(file).imports}
    names -= {"pipeline", *sys.stdlib_module_names}
    owners = importlib.metadata.packages_distributions()
    packages = {package for name in names for package in owners.get(name, ())}
    versions = {package: importlib.metadata.version(package) for package in sorted(packages)}
    return {CODE: code_digest(*modules)[:12], "Python": "{}.{}".format(*sys.version_info), **versions}


def run_checked(
    modules: Sequence[str], software: Mapping[str, str], function: Callable[..., Result], arguments: Sequence[Any]
) -> Result:
    """Run a function on a worker. Raise InputError if the software there differs."""
    try:
        mine = software_of(*modules)
    except FileNotFoundError as error:
        raise InputError(f"{VARIABLE}: {this_worker()} lacks code: {error}. {REMEDY}") from None
    require_same({name: (software.get(name), mine.get(name)) for name in {**software, **mine}}, this_worker())
    return function(*arguments)


def this_worker() -> str:
    """Return what a message calls the worker that runs the present task."""
    from distributed import get_worker

    return f"the worker {get_worker().address}"


def require_same(versions: Mapping[str, tuple[str | None, str | None]], where: str) -> None:
    """Raise InputError if versions, given as (here, there), differ."""
    different = [
        f"{name} {there or 'missing'} instead of {here or 'none'}"
        for name, (here, there) in versions.items()
        if here != there
    ]
    if different:
        raise InputError(f"{VARIABLE}: {where} has {', '.join(different)}. {REMEDY}")
