"""`make schedule`: serves prefect.yaml from this checkout until it is interrupted.

Uses the server PREFECT_API_URL names (in the environment or the Prefect profile); where there is none it starts one on
this machine. The runs it records lie where Prefect keeps its state, PREFECT_HOME (default ~/.prefect).
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import FrameType

from flows.process import Guarded, environment

POOL = "ganline"
START_SECONDS = 180.0
# Longer than a stage's own grace, so that a run can end its stage and report before it is killed.
WORKER_GRACE_SECONDS = 30.0


class ScheduleError(Exception):
    """The schedule cannot be served; the message says what to do."""


def main() -> int:
    """Runs in the foreground; Ctrl-C or SIGTERM ends the worker, its runs and the server it started."""
    signal.signal(signal.SIGTERM, interrupt)
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
    """Server, pool, deployments, worker; returns only when one of them ended. Raises ScheduleError."""
    if not (folder / "prefect.yaml").is_file():
        raise ScheduleError(f"{folder}: no prefect.yaml here; run in the project's root")
    with contextlib.ExitStack() as children:
        if not (address := configured_address()):
            server, address = start_server(folder, children)
        else:
            server = None
            say(f"using the Prefect server at {address}")
        os.environ["PREFECT_API_URL"] = address
        prefect(folder, "work-pool", "create", POOL, "--type", "process", tolerate="already exists")
        prefect(folder, "--no-prompt", "deploy", "--all")
        # Entered after the server, so ended before it: a run can still report that it was stopped.
        worker = children.enter_context(
            Guarded(
                [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL],
                folder,
                grace=WORKER_GRACE_SECONDS,
                capture=False,
            )
        )
        say(
            f"serving; page {address.removesuffix('/api')} · run now: PREFECT_API_URL={address} .venv/bin/prefect deployment run retrain/weekly · Ctrl-C stops"
        )
        while worker.process.poll() is None and (server is None or server.process.poll() is None):
            time.sleep(1)
        raise ScheduleError(
            "the worker ended; its last lines above say why"
            if worker.process.poll() is not None
            else "the Prefect server ended"
        )


def configured_address() -> str | None:
    """The API address of the environment or of the user's Prefect profile."""
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value() or None


def start_server(folder: Path, children: contextlib.ExitStack) -> tuple[Guarded, str]:
    """A Prefect server on PREFECT_SERVER_API_HOST and _PORT (loopback, 4200). Raises ScheduleError."""
    from prefect.settings import PREFECT_SERVER_API_HOST, PREFECT_SERVER_API_PORT

    host, port = PREFECT_SERVER_API_HOST.value(), PREFECT_SERVER_API_PORT.value()
    address = f"http://{host}:{port}/api"
    if healthy(address):
        raise ScheduleError(
            f"a Prefect server already answers there; to use it: export PREFECT_API_URL={address}, or choose PREFECT_SERVER_API_PORT"
        )
    say(f"starting a Prefect server at {address}")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
    server = children.enter_context(Guarded(command, folder, capture=False))
    deadline = time.monotonic() + START_SECONDS
    while not healthy(address):
        if server.process.poll() is not None:
            raise ScheduleError(
                f"the Prefect server did not start (is port {port} taken? choose another with PREFECT_SERVER_API_PORT)"
            )
        if time.monotonic() > deadline:
            raise ScheduleError(f"the Prefect server did not answer within {START_SECONDS:.0f} s")
        time.sleep(0.5)
    return server, address


def healthy(address: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{address}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def prefect(folder: Path, *arguments: str, tolerate: str | None = None) -> None:
    """Runs one prefect command. Raises ScheduleError with its output, unless that contains `tolerate`."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    output = f"{done.stdout}\n{done.stderr}".strip()
    if done.returncode != 0 and not (tolerate and tolerate in output):
        raise ScheduleError(f"`prefect {' '.join(arguments)}` failed:\n{output}")


def interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def say(text: str) -> None:
    sys.stderr.write(f"schedule: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
