"""Fixtures of the flows' tests: tiny DVC projects, a checkout of the real one, and one schedule for all of them."""

import contextlib
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from flows.process import child_environment
from tests.flows.project import DVC_YAML, Project, Schedule, commit_all, run_command, write_params
from tests.waiting import find_free_port, list_running, wait_until


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Return a function that creates projects, each in a folder of its own."""
    empty = tmp_path_factory.mktemp("empty")
    Project(empty).dvc("init", "--no-scm", "--quiet")

    def make() -> Project:
        project = Project(tmp_path_factory.mktemp("flow") / "project")
        shutil.copytree(empty, project.root)
        project.write(DVC_YAML)
        project.set_rate(0.1)
        (project.root / "seed.txt").write_text("1.5\n")
        return project

    return make


@pytest.fixture
def project(make_project: Callable[[], Project]) -> Project:
    """A tiny project."""
    return make_project()


PREFECT_YAML = """
name: tiny
deployments:
  - name: timed
    entrypoint: flows.retrain.retrain
    parameters: {promote: false}
    work_pool: {name: ganline}
    schedules: [{interval: 20, active: false}]
  - name: manual
    entrypoint: flows.retrain.retrain
    parameters: {promote: false}
    work_pool: {name: ganline}
  - name: single
    entrypoint: flows.retrain.retrain
    parameters: {promote: false}
    work_pool: {name: ganline}
    concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}
    triggers:
      - enabled: true
        match: {prefect.resource.id: ganline.data.triggering}
        expect: [ganline.data.new, ganline.data.drift]
        parameters: {root: ROOT, promote: false}
"""

# Prefect polls and flushes every 5 to 60 s by default. Each poll of a worker costs the server time.
QUICK = {
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.2",
}
# Services that no test needs.
LEAN = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
}


SERVED = contextlib.ExitStack()
"""Ends the schedule."""


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the schedule after the last test of this folder: an idle server uses a tenth of a processor."""
    if nextitem is None or not nextitem.path.is_relative_to(Path(__file__).parent):
        SERVED.close()


@pytest.fixture(scope="session")
def schedule(make_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Schedule]:
    """Serve one schedule for all tests of this folder. Ctrl-C at the end must leave no process."""
    yield SERVED.enter_context(serve(make_project(), tmp_path_factory.mktemp("prefect")))
    SERVED.close()


@contextlib.contextmanager
def serve(project: Project, home: Path) -> Iterator[Schedule]:
    """Run `python -m flows.schedule` with its own server, pool and worker; end it with Ctrl-C."""
    (project.root / "prefect.yaml").write_text(PREFECT_YAML.replace("ROOT", str(project.root)))
    port = find_free_port()
    inherited = {name: value for name, value in child_environment().items() if not name.startswith("PREFECT_")}
    own = inherited | QUICK | LEAN | {"PREFECT_HOME": str(home), "PREFECT_SERVER_API_PORT": str(port)}
    log = home / "schedule.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "flows.schedule"]
        process = psutil.Popen(command, cwd=project.root, env=own, stdout=output, stderr=output)
    family = []
    try:
        wait_until(lambda: "serving" in log.read_text() or process.poll() is not None, "the schedule is not served")
        assert process.poll() is None, log.read_text()
        address = f"http://127.0.0.1:{port}/api"
        yield Schedule(address, project, own | {"PREFECT_API_URL": address})
        family = process.children(recursive=True)
        process.send_signal(signal.SIGINT)
        wait_until(lambda: process.poll() is not None, "the schedule does not end")
        assert process.returncode == 130, log.read_text()
        assert len(family) >= 4, "a guard and its command, for the server and for the worker"
        assert list_running(family) == []
    finally:
        for each in list_running([process, *family]):
            each.kill()


@pytest.fixture
def api(schedule: Schedule) -> Iterator[str]:
    """Let flows that are called in this process report to the schedule's server."""
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    home = Path(schedule.environment["PREFECT_HOME"])
    with temporary_settings({PREFECT_API_URL: schedule.address, PREFECT_HOME: home}):
        yield schedule.address


ROOT = Path(__file__).parents[2]
# What the checkout has of the real project.
PARTS = ["dvc.yaml", "pipeline", "flows", ".dvcignore", ".gitignore", "requirements.lock"]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str) -> Path:
    """A person's checkout of the real project, in which nothing has run."""
    monkeypatch.setenv("GANLINE_CLONES", str(tmp_path / "clones"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "checkout"
    (root / "data" / "raw").mkdir(parents=True)
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, root)
    for name in ("data/.gitignore", "data/raw/.gitignore"):
        shutil.copy(ROOT / name, root / name)
    (root / "params.yaml").write_text(write_params())
    run_command(root, "git", "init", "--quiet", "--initial-branch", "main")
    run_command(root, sys.executable, "-m", "dvc", "init", "--quiet")
    commit_all(root, "start")
    return root
