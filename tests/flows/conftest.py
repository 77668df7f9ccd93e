"""Tiny DVC projects, and one served schedule for the whole session."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from flows.process import environment

DVC_YAML = """
stages:
  report:
    cmd: mkdir -p metrics && printf '{"fid":%s,"verdict":"pass"}' $(cat model.txt) > metrics/m.json
    deps: [model.txt]
    metrics: [{metrics/m.json: {cache: false}}]
  train:
    cmd: echo trained >> ../trainings.log && cp data.txt model.txt
    deps: [data.txt]
    params: [rate]
    outs: [model.txt]
  first:
    cmd: echo "hello from $DVC_STAGE" && cp seed.txt data.txt
    deps: [seed.txt]
    outs: [data.txt]
"""


@dataclass(frozen=True)
class Project:
    """A folder with a pipeline of shell commands; `trainings` counts how often `train` really ran."""

    root: Path

    def dvc(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *arguments],
            cwd=self.root,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def write(self, dvc_yaml: str) -> None:
        (self.root / "dvc.yaml").write_text(dvc_yaml)

    def one_stage(self, command: str, name: str = "a") -> None:
        """The pipeline becomes one stage that reads seed.txt."""
        body = "\n".join(f"      {line}" for line in command.splitlines())
        self.write(f"stages:\n  {name}:\n    cmd: |-\n{body}\n    deps: [seed.txt]\n")

    def set_rate(self, rate: float) -> None:
        (self.root / "params.yaml").write_text(f"rate: {rate}\n")

    @property
    def trainings(self) -> int:
        log = self.root.parent / "trainings.log"
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
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
    return make_project()


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.1)


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those of `processes` that still run (the same process, not another with its number)."""

    def runs(process: psutil.Process) -> bool:
        try:
            return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    return [process for process in processes if runs(process)]


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], object], float, str], None]:
    return wait_for


@pytest.fixture(scope="session")
def alive() -> Callable[[list[psutil.Process]], list[psutil.Process]]:
    return running


@dataclass(frozen=True)
class Schedule:
    """A served schedule: its API's address, its own project (deployment `cron` runs it every minute), its environment."""

    address: str
    project: Project
    environment: dict[str, str]


PREFECT_YAML = """
name: tiny
deployments:
  - {name: cron, entrypoint: flows.retrain.retrain, parameters: {promote: false}, work_pool: {name: ganline}, schedules: [{cron: "* * * * *"}]}
  - {name: manual, entrypoint: flows.retrain.retrain, parameters: {promote: false}, work_pool: {name: ganline}}
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


@pytest.fixture(scope="session")
def schedule(make_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Schedule]:
    """`python -m flows.schedule` with a server, pool and worker of its own. Ctrl-C at the end must leave nothing running."""
    project = make_project()
    (project.root / "prefect.yaml").write_text(PREFECT_YAML.replace("ROOT", str(project.root)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("prefect")
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    own = {name: value for name, value in environment().items() if not name.startswith("PREFECT_")} | settings
    log = home / "schedule.log"
    with log.open("wb") as output:
        process = psutil.Popen(
            [sys.executable, "-m", "flows.schedule"], cwd=project.root, env=own, stdout=output, stderr=output
        )
    try:
        wait_for(lambda: "serving" in log.read_text() or process.poll() is not None, 300, "the schedule to be served")
        assert process.poll() is None, log.read_text()
        address = f"http://127.0.0.1:{port}/api"
        yield Schedule(address, project, own | {"PREFECT_API_URL": address})
    finally:
        family = process.children(recursive=True)
        process.send_signal(signal.SIGINT)
        code = process.wait(120)
    assert code == 130, log.read_text()
    assert len(family) >= 4, "a guard and its command, for the server and the worker"
    assert running(family) == []


@pytest.fixture
def api(schedule: Schedule) -> Iterator[str]:
    """Flows called in this process report to the served schedule's API."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    with temporary_settings(
        {PREFECT_API_URL: schedule.address, PREFECT_HOME: Path(schedule.environment["PREFECT_HOME"])}
    ):
        yield schedule.address
        # Once it has fired, the cron only slows the other tests down.
        with get_client(sync_client=True) as client:
            cron = client.read_deployment_by_name("retrain/cron")
            if any(
                run.deployment_id == cron.id and run.state and run.state.is_running() for run in client.read_flow_runs()
            ):
                client.pause_deployment(cron.id)


ROOT = Path(__file__).parents[2]
# Of the real project.
PARTS = ["dvc.yaml", "pipeline", "flows", ".dvcignore", ".gitignore", "requirements.lock"]


def write_params(images: int = 3000) -> str:
    from pipeline.tasks.generate.settings import GateSettings

    gate = ", ".join(f"{name}: null" for name in GateSettings.model_fields if name != "significance")
    floors = "recall: null, coverage: null, vendi_ratio: null, modes_covered: null"
    return f"""
data: {{resolution: 8, limit: 60, watch: data/raw}}
model: {{variant: dcgan, latent: 16, generator_channels: 16, discriminator_channels: 16}}
train: {{device: cpu, batch_size: 32, total_images: {images}, log_images: 500, snapshot_images: 1500, checkpoint_images: 1000}}
validate: {{constant_std: 0.005}}
evaluate: {{samples: 300, gate: {{{gate}}}}}
promote: {{limits: {{fid_ratio: null}}, floors: {{{floors}}}, diversity: null}}
export: {{opset: 20}}
tracking: {{experiment: chain, model: chain-digits}}
"""


def run_command(folder: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def commit_all(root: Path, message: str) -> None:
    run_command(root, "git", "add", "--all")
    run_command(root, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--message", message)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str) -> Iterator[Path]:
    """A person's checkout of the real project, in which nothing has run. The cron rests meanwhile."""
    from prefect.client.orchestration import get_client

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
    for ignored in ("data/.gitignore", "data/raw/.gitignore"):
        shutil.copy(ROOT / ignored, root / ignored)
    (root / "params.yaml").write_text(write_params())
    run_command(root, "git", "init", "--quiet", "--initial-branch", "main")
    run_command(root, sys.executable, "-m", "dvc", "init", "--quiet")
    commit_all(root, "start")
    with get_client(sync_client=True) as client:
        cron = client.read_deployment_by_name("retrain/cron")
        paused = cron.paused
        client.pause_deployment(cron.id)
        yield root
        if not paused:
            client.resume_deployment(cron.id)


@pytest.fixture(scope="session")
def command() -> Callable[..., str]:
    """Runs a command in a folder; its output."""
    return run_command


@pytest.fixture(scope="session")
def commit() -> Callable[[Path, str], None]:
    return commit_all


@pytest.fixture(scope="session")
def params() -> Callable[..., str]:
    """params.yaml of the tiny line, by the images it is trained on."""
    return write_params
