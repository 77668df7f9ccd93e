"""`make schedule`: serve prefect.yaml from this checkout until interrupted.

Uses the server that PREFECT_API_URL names, in the environment or the Prefect profile. Without one it starts a server on
this machine, whose database is in PREFECT_HOME (default ~/.prefect).
"""

import contextlib
import os
import signal
import sys
import time
import urllib.request
from pathlib import Path
from types import FrameType

from flows.process import GuardedProcess, child_environment, run_command

POOL = "ganline"
START_SECONDS = 600.0
"""The first start migrates a database, which takes minutes on a busy machine. A server that ends is noticed at once."""
POLL_SECONDS = 0.5
# Longer than a stage's grace, so that a run can end its stage and report before it is killed.
WORKER_GRACE_SECONDS = 30.0


class ScheduleError(Exception):
    """The schedule cannot be served."""


def main() -> int:
    """Serve in the foreground; Ctrl-C or SIGTERM ends the worker, its runs and the server."""
    signal.signal(signal.SIGTERM, raise_interrupt)
    folder = Path.cwd()
    try:
        serve(folder)
    except ScheduleError as error:
        sys.stderr.write(f"schedule: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("schedule: stopped\n")
        return 130
    return 1


def serve(folder: Path) -> None:
    """Run the server, deploy prefect.yaml and run a worker, until the server or the worker ends.

    Raises:
        ScheduleError: There is no prefect.yaml, a Prefect command failed, or the server or the worker ended.
    """
    if not (folder / "prefect.yaml").is_file():
        raise ScheduleError(f"{folder}: no prefect.yaml here. Run in the project's root.")
    with contextlib.ExitStack() as children:
        if not (address := configured_address()):
            server, address = start_server(folder, children)
        else:
            server = None
            report(f"using the Prefect server at {address}")
        os.environ["PREFECT_API_URL"] = address
        run_prefect(folder, "work-pool", "create", POOL, "--type", "process", tolerate="already exists")
        run_prefect(folder, "--no-prompt", "deploy", "--all")
        # Entered after the server, so ended before it: a run can still report that it was stopped.
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
        worker = children.enter_context(GuardedProcess(command, folder, grace=WORKER_GRACE_SECONDS, capture=False))
        report(
            f"serving; page {address.removesuffix('/api')} · run now: PREFECT_API_URL={address} "
            ".venv/bin/prefect deployment run retrain/weekly · Ctrl-C stops"
        )
        while worker.process.poll() is None and (server is None or server.process.poll() is None):
            time.sleep(POLL_SECONDS)
        raise ScheduleError(
            "the worker ended; see its last lines above"
            if worker.process.poll() is not None
            else "the Prefect server ended"
        )


def configured_address() -> str | None:
    """Return the API address from the environment or the Prefect profile; None if there is none."""
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value() or None


def start_server(folder: Path, children: contextlib.ExitStack) -> tuple[GuardedProcess, str]:
    """Start a Prefect server on PREFECT_SERVER_API_HOST and PREFECT_SERVER_API_PORT (loopback, 4200).

    Raises:
        ScheduleError: A server already uses the port, or the new one does not answer.
    """
    from prefect.settings import PREFECT_SERVER_API_HOST, PREFECT_SERVER_API_PORT

    host, port = PREFECT_SERVER_API_HOST.value(), PREFECT_SERVER_API_PORT.value()
    address = f"http://{host}:{port}/api"
    if is_healthy(address):
        raise ScheduleError(
            f"a Prefect server already runs at {address}. Use it with `export PREFECT_API_URL={address}`, "
            "or set PREFECT_SERVER_API_PORT to another port."
        )
    report(f"starting a Prefect server at {address}")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
    server = children.enter_context(GuardedProcess(command, folder, capture=False))
    deadline = time.monotonic() + START_SECONDS
    while not is_healthy(address):
        if server.process.poll() is not None:
            raise ScheduleError(
                f"the Prefect server did not start. If port {port} is in use, set PREFECT_SERVER_API_PORT to another."
            )
        if time.monotonic() > deadline:
            raise ScheduleError(f"the Prefect server did not answer within {START_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    return server, address


def is_healthy(address: str) -> bool:
    """Return whether a Prefect server answers at `address`."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{address}/health", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def run_prefect(folder: Path, *arguments: str, tolerate: str | None = None) -> None:
    """Run one prefect command. Raise ScheduleError if it fails, unless its output contains `tolerate`."""
    done = run_command([sys.executable, "-m", "prefect", *arguments], folder, child_environment())
    output = f"{done.stdout}\n{done.stderr}".strip()
    if done.returncode != 0 and not (tolerate and tolerate in output):
        raise ScheduleError(f"`prefect {' '.join(arguments)}` failed:\n{output}")


def raise_interrupt(_number: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM like Ctrl-C."""
    raise KeyboardInterrupt


def report(text: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(f"schedule: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
