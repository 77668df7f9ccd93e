"""Fixtures that all tests share, and how the tests are divided among workers."""

import itertools
import os
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import browser
from tests.waiting import wait_until

# The duration of an example depends on the machine and its load.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# A shell that runs this in the background ignores Ctrl-C. Every process that the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

TOGETHER = ("tests/stages/", "tests/flows/")
"""Folders whose tests run in one worker: they share a trained model and a fork server, or a Prefect server."""

LONGEST_FIRST = (*TOGETHER, "tests/test_line.py", "tests/training/", "tests/gans/", "tests/tasks/", "tests/serving/")
"""Long files and folders, which run first. A worker that started one at the end would be the last one by minutes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move tests of LONGEST_FIRST to the front. In a folder, those that need the Prefect server run last."""

    def find_rank(item: pytest.Item) -> tuple[int, bool]:
        ranks = (rank for rank, path in enumerate(LONGEST_FIRST) if item.nodeid.startswith(path))
        return next(ranks, len(LONGEST_FIRST)), "schedule" in getattr(item, "fixturenames", ())

    items.sort(key=find_rank)


CLOCK = [0.0]
"""Processor time of this process and its ended children at the last report."""


def pytest_runtest_logstart() -> None:
    """Start the clock of a test."""
    CLOCK[0] = sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the processor time of a test's set-up, call or teardown to its report."""
    report = yield
    before, CLOCK[0] = CLOCK[0], sum(os.times()[:4])
    report.user_properties.append(("cpu_seconds", CLOCK[0] - before))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the tests that took most processor time, as many as --durations lists by the clock."""
    seconds: Counter[str] = Counter()
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        for name, value in getattr(report, "user_properties", ()):
            if name == "cpu_seconds":
                seconds[report.nodeid] += value
    terminalreporter.section(f"most processor time, of {seconds.total():.0f} s")
    for test, value in seconds.most_common(config.getoption("durations")):
        terminalreporter.write_line(f"{value:.1f}s {test}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker whole files, or the whole of a folder in TOGETHER, in the order of the tests."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    def find_group(nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.split("::", 1)[0])

    config.option.loadscopereorder = False  # by default, files with the most tests run first
    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = find_group
    return scheduler


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real data sets fashion-mnist.zip, cifar10.zip, noto-emoji.zip and kodak24.zip."""
    folder = Path(os.environ.get("GANLINE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real data sets are absent: set GANLINE_TEST_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    """A tab of one headless Chromium, shared by all tests of the session."""
    if browser.BROWSER is None:
        pytest.skip("no Chromium on this machine")
    with browser.page(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated, empty mlflow.db, made once for all workers. Copy it into a project.

    MLflow's migrations take three seconds of processor time for each new database.
    """
    from pipeline.tracking.mlflow_store import connect

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    database = folder / "empty-store" / "mlflow.db"
    database.parent.mkdir(exist_ok=True)
    connect(f"sqlite:///{database}").search_experiments()
    return database


@pytest.fixture(scope="session")
def mlflow_server() -> Callable[[Path, int], AbstractContextManager[str]]:
    """`with mlflow_server(folder, port) as uri`: an MLflow server on `folder`/mlflow.db, killed at the end."""
    return serve_mlflow


@contextmanager
def serve_mlflow(folder: Path, port: int) -> Iterator[str]:
    """Run an MLflow server on `folder`/mlflow.db and yield its address."""
    # The application that `mlflow server` starts, without its supervisor and job runners, which triple the start-up.
    command = [sys.executable, "-m", "uvicorn", "mlflow.server.fastapi_app:app", "--host", "127.0.0.1"]
    settings = {
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder / 'mlflow.db'}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    uri, log = f"http://127.0.0.1:{port}", folder / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=folder,
            env=os.environ | settings,
        )

    def is_up() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=60):
                return True
        except OSError:
            return False

    try:
        wait_until(is_up, log.read_text, pause=0.2)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
