"""Run `ganline` in real processes that start at once: forked from a server that has imported what they need."""

import multiprocessing
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.waiting import WAIT_SECONDS

COMMAND = """
import os, sys
import torch
from pipeline.cli.app import main

os.chdir(folder)
for number, name in ((1, output), (2, errors)):
    os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
os.environ.clear()
os.environ.update(environment)
torch.set_num_threads(1)  # the order of sums, and with it the last bit, depends on the number of threads
sys.argv = ["ganline", *arguments]
main()
"""
os.environ["MLFLOW_LOGGING_LEVEL"] = "CRITICAL"  # `connect` sets it too late: the server has imported MLflow by then
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "torch._dynamo",
        "mlflow.store.tracking.sqlalchemy_store",
        "great_expectations.expectations",
        "sklearn.datasets",
        "pipeline.data.expectations",
        "pipeline.media.image.digits",
        *(f"pipeline.stages.{name}" for name in ("ingest", "validate", "train")),
    ]
)


@contextmanager
def start_ganline(
    root: Path, *arguments: str, output: Path, errors: Path, environment: Mapping[str, str] | None = None
) -> Iterator[ForkServerProcess]:
    """Start `ganline ARGUMENTS` in `root`, and kill it when the context ends.

    Args:
        root: Working directory.
        arguments: The command line.
        output: File that standard output is appended to.
        errors: File, or named pipe, that standard error is appended to.
        environment: Variables added to this process's. Without MLFLOW_TRACKING_URI in it, the command uses none.
    """
    own = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"} | dict(environment or {})
    values = {
        "folder": str(root),
        "arguments": arguments,
        "output": str(output),
        "errors": str(errors),
        "environment": own,
    }
    child = FORKS.Process(target=exec, args=(COMMAND, values))
    child.start()
    try:
        yield child
    finally:
        child.kill()
        child.join()


def wait_for_exit(child: ForkServerProcess) -> int:
    """Wait for a process and return its exit code."""
    child.join(WAIT_SECONDS)
    assert child.exitcode is not None, "the process does not end"
    return child.exitcode


def run_ganline(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `ganline ARGUMENTS` in `root` and return its exit code and output."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        with start_ganline(root, *arguments, output=output, errors=errors) as child:
            code = wait_for_exit(child)
        words = [path.read_text() if path.exists() else "" for path in (output, errors)]
    return subprocess.CompletedProcess(arguments, code, *words)
