"""Faults in a long training, in real processes: kills, signals, a full disk, a dead server, two trainings."""

import contextlib
import csv
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.processes import start_ganline, wait_for_exit
from tests.waiting import find_free_port, wait_until

PARAMS = """
data: {{resolution: 8}}
model: {{variant: dcgan, latent: 16, generator_channels: 8, discriminator_channels: 8, stabilisers: {{lecam: 0.1}}}}
train:
  {{device: cpu, batch_size: 32, total_images: {total}, schedule_images: 20000,
    log_images: {log}, snapshot_images: 4000, checkpoint_images: {checkpoint}, health: {{images: 20000}}, seed: {seed},
    learning_rate: {{generator: {{start: 0.001, end: 0.0001}}, discriminator: 0.001}}}}
"""
FOREVER = 50_000_000


@contextmanager
def training(root: Path, tracking: str = "") -> Iterator[ForkServerProcess]:
    """Start `ganline train` in `root`; append its stderr to the file `stderr`, and kill it when the context ends."""
    (root / "pipe").unlink(missing_ok=True)
    os.mkfifo(root / "pipe")
    server = {"MLFLOW_TRACKING_URI": tracking, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"} if tracking else None
    # stderr goes through another process, because a test limits the size of the files that this one writes.
    with (
        (root / "stderr").open("a") as log,
        subprocess.Popen(["cat", "pipe"], cwd=root, stdout=log),
        start_ganline(root, "train", output=Path(os.devnull), errors=root / "pipe", environment=server) as child,
    ):
        yield child


def finish(root: Path) -> str:
    """Train to the end, and return what the process wrote to stderr."""
    before = len(messages(root))
    with training(root) as child:
        code = wait_for_exit(child)
    new = messages(root)[before:]
    assert code == 0, new
    assert "Traceback" not in new
    return new


def wait_for(
    child: ForkServerProcess, root: Path, what: str, condition: Callable[[], bool], pause: float = 0.005
) -> None:
    """Wait until `condition` is true while the process runs."""

    def met_or_ended() -> bool:
        if condition():
            return True
        assert child.exitcode is None, f"exit code {child.exitcode} before {what}: {messages(root)}"
        return False

    wait_until(met_or_ended, lambda: f"{what}: {messages(root)}", pause)


def checkpoints(root: Path) -> list[str]:
    """Return the names of all checkpoints."""
    return sorted(path.name for path in root.glob(".ganline/checkpoints/*/*.pt"))


def newest(root: Path) -> int:
    """Return the number of images at the newest checkpoint; 0 without one."""
    return int(Path(["0", *checkpoints(root)][-1]).stem)


def partial(root: Path) -> bool:
    """Return whether a checkpoint is being written, or was when a process died."""
    return any(root.glob(".ganline/checkpoints/*/.*"))


def messages(root: Path) -> str:
    """Return what the processes have written to stderr."""
    return (root / "stderr").read_text() if (root / "stderr").exists() else ""


def set_params(root: Path, total: int = FOREVER, checkpoint: int = 32, seed: int = 0, log: int = 500) -> None:
    """Write params.yaml."""
    (root / "params.yaml").write_text(PARAMS.format(total=total, checkpoint=checkpoint, seed=seed, log=log))


def read_model(root: Path) -> dict[str, bytes]:
    """Return the files of the model."""
    return {path.name: path.read_bytes() for path in (root / "models").iterdir() if path.name != "run.json"}


def curves(root: Path) -> list[dict[str, str]]:
    """Return the rows of the training curves, without times."""
    with (root / "reports" / "training.csv").open() as file:
        return [
            {name: value for name, value in row.items() if name not in ("seconds", "images_per_second")}
            for row in csv.DictReader(file)
        ]


@pytest.fixture(scope="module")
def validated(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with digits, in whose MLflow store one training is recorded."""
    root = checkout(digits, tmp_path_factory.mktemp("project"))
    set_params(root, total=64)
    finish(root)
    return root


def checkout(validated: Path, root: Path) -> Path:
    """Make `root` a project with the data of another and a copy of its MLflow store."""
    root.mkdir(exist_ok=True)
    (root / "data").symlink_to(validated / "data")
    shutil.copy(validated / "mlflow.db", root / "mlflow.db")
    return root


@pytest.fixture
def project(validated: Path, tmp_path: Path) -> Path:
    """A project that has digits, and no model yet."""
    return checkout(validated, tmp_path / "disturbed")


def assert_as_uninterrupted(project: Path, validated: Path, **params: int) -> None:
    """Assert that model and curves are bit-identical to those of an uninterrupted training."""
    uninterrupted = checkout(validated, project.parent / "uninterrupted")
    set_params(uninterrupted, **params)
    finish(uninterrupted)
    assert read_model(project) == read_model(uninterrupted)
    assert curves(project) == curves(uninterrupted)


@pytest.mark.parametrize("kills", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_a_killed_training_equals_an_uninterrupted_one(project: Path, validated: Path, kills: int) -> None:
    """SIGKILL at random moments, and every other time while a checkpoint is written."""
    draw = random.Random(0)
    set_params(project)
    torn = 0
    for number in range(kills):
        before = newest(project)
        with training(project) as child:
            while newest(project) == before:
                wait_for(child, project, "progress", lambda: True)
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.2))
            if number % 2:
                wait_for(child, project, "a write", lambda: partial(project), pause=0)
            child.kill()
            assert wait_for_exit(child) == -signal.SIGKILL
        torn += partial(project)
    assert torn >= kills // 4, "too few kills interrupted a write"
    reached = newest(project)
    set_params(project, reached + 1000)
    assert f"resuming after {reached:,} images" in finish(project)
    assert_as_uninterrupted(project, validated, total=reached + 1000, checkpoint=FOREVER)
    assert len(checkpoints(project)) == 2
    assert not partial(project)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_a_checkpoint_at_once(project: Path, number: signal.Signals) -> None:
    set_params(project, checkpoint=FOREVER)
    with training(project) as child:
        wait_for(
            child, project, "rows", lambda: (project / "reports/training.csv").exists() and len(curves(project)) > 2
        )
        assert not checkpoints(project)
        process = psutil.Process(child.pid)
        used = [sum(process.cpu_times()[:2])]
        os.kill(child.pid or 0, number)

        def has_ended() -> bool:
            with contextlib.suppress(psutil.NoSuchProcess):
                used.append(sum(process.cpu_times()[:2]))
            return child.exitcode is not None

        wait_until(has_ended, "the process does not end")
        assert child.exitcode == 130
        assert used[-1] - used[0] < 5, "seconds of processor time, which do not depend on the load"
    assert newest(project) >= int(curves(project)[-1]["images"])
    assert f"stopped after {newest(project):,} images; `dvc repro` resumes from {newest(project):,} images" in messages(
        project
    )
    assert "Traceback" not in messages(project)


@pytest.mark.slow
def test_a_full_disk_costs_checkpoints_but_not_the_training(project: Path, validated: Path) -> None:
    """While no file may grow beyond 1 KB, checkpoints, curves, images and MLflow's database cannot be written."""
    set_params(project, checkpoint=320, log=320)
    with training(project) as child:
        assert child.pid
        wait_for(child, project, "a checkpoint", lambda: newest(project) > 0)
        _, hard = resource.prlimit(child.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (1024, hard))
        wait_for(
            child,
            project,
            "two warnings",
            lambda: messages(project).count(".pt: cannot be written (File too large); it needs 0.") >= 2,
        )
        before = {path: path.read_bytes() for path in project.glob(".ganline/checkpoints/*/*.pt")}
        wait_for(child, project, "two more", lambda: messages(project).count(".pt: cannot be written") >= 4)
        assert {path: path.read_bytes() for path in project.glob(".ganline/checkpoints/*/*.pt")} == before, (
            "those before stay"
        )
        held = newest(project)
        assert f"Training continues; the last checkpoint is at {held:,} images" in messages(project)
        wait_for(
            child,
            project,
            "a table without its last rows",
            lambda: "training.csv: cannot be written" in messages(project),
        )
        rows = messages(project).count("cannot be written")
        wait_for(child, project, "more rows", lambda: messages(project).count("cannot be written") > rows + 2)
        assert messages(project).count("training.csv: cannot be written") == 1
        wait_for(child, project, "a picture that is lost", lambda: ".png: cannot be written" in messages(project))
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (hard, hard))
        wait_for(child, project, "a checkpoint after", lambda: newest(project) > held)
        os.kill(child.pid, signal.SIGTERM)
        assert wait_for_exit(child) == 130, messages(project)
    assert not partial(project)
    assert "Traceback" not in messages(project)
    total = newest(project) + 1000
    set_params(project, total, checkpoint=320, log=320)
    finish(project)
    assert_as_uninterrupted(project, validated, total=total, log=320)


def test_a_disk_that_stays_full_is_named_at_the_end(project: Path) -> None:
    """Nothing can be delivered: exit 2 with the file's name, and no torn model."""
    set_params(project, total=3200, checkpoint=320)
    with training(project) as child:
        assert child.pid
        wait_for(child, project, "a checkpoint", lambda: newest(project) > 0)
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (1024, 1024))
        assert wait_for_exit(child) == 2, messages(project)
    assert "Traceback" not in messages(project)
    assert re.fullmatch(
        r"ganline: .*/(training.csv|generator.safetensors): File too large; make room on its disk.*",
        messages(project).splitlines()[-1],
    )
    assert not (project / "models" / "generator.safetensors").exists()
    finish(project)


@pytest.mark.slow
def test_two_trainings_in_one_checkout_do_not_mix(project: Path) -> None:
    """Other settings make no difference: both would write the same files. Once the first is killed, the next starts."""
    set_params(project, checkpoint=320)
    with training(project) as child:
        wait_for(child, project, "a checkpoint", lambda: newest(project) > 0)
        set_params(project, total=320, checkpoint=320, seed=1)
        second = subprocess.run(
            [sys.executable, "-m", "pipeline", "train"], cwd=project, capture_output=True, text=True, check=False
        )
        assert second.returncode == 2
        refusal = f"train.lock: process {child.pid} is training in this checkout; wait for it, or stop it with"
        assert f"{refusal} `kill {child.pid}`" in second.stderr
        assert len(second.stderr.splitlines()) == 1
        assert child.is_alive()
        assert len(list((project / ".ganline/checkpoints").iterdir())) == 1
        child.kill()
        child.join()
    reached = newest(project)
    set_params(project, total=reached + 320, checkpoint=320)
    assert f"resuming after {reached:,} images" in finish(project)


def test_only_a_new_training_removes_the_checkpoints_of_the_oldest(project: Path) -> None:
    others = [project / ".ganline/checkpoints" / f"{number:016x}" for number in range(7)]
    for age, other in enumerate(others):
        other.mkdir(parents=True)
        os.utime(other, (1e9 - age, 1e9 - age))
    set_params(project, total=320, checkpoint=320)
    finish(project)
    assert [other.exists() for other in others] == [True] * 5 + [False] * 2
    others[6].mkdir()
    finish(project)
    assert others[6].exists()


def test_a_corrupted_checkpoint_is_named_and_set_aside(project: Path) -> None:
    set_params(project, total=960, checkpoint=320)
    finish(project)
    path = sorted(project.glob(".ganline/checkpoints/*/*.pt"))[-1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    first = read_model(project)
    words = finish(project)
    assert f"{path.name}: corrupted, using the previous checkpoint" in words
    assert "resuming after 640 images" in words
    assert read_model(project) == first
    assert path.with_suffix(".corrupted").read_bytes() == data
    assert [Path(name).stem for name in checkpoints(project)] == [f"{n:012d}" for n in (640, 960)]


def test_longer_training_says_where_its_schedules_stand(project: Path) -> None:
    text = PARAMS.replace("schedule_images: 20000,", "")
    values = {"checkpoint": 320, "log": 320, "seed": 0}
    (project / "params.yaml").write_text(text.format(total=960, **values))
    assert "schedules" not in finish(project)
    (project / "params.yaml").write_text(text.format(total=1920, **values))
    words = finish(project)
    assert "resuming after 960 images" in words
    assert "now end at 1,920 images, not at 960: they jump from 100% to 50%" in words
    rates = {int(row["images"]): float(row["lr_generator"]) for row in curves(project)}
    assert rates[960] == pytest.approx(1e-4)
    assert rates[1280] == pytest.approx(1e-4 + 9e-4 * 0.25)
    assert rates[1920] == pytest.approx(1e-4)


@pytest.mark.slow
def test_mlflow_may_die_and_come_back_while_training(
    project: Path, mlflow_server: Callable[[Path, int], AbstractContextManager[str]]
) -> None:
    """Training continues, and MLflow receives every row once: also those logged without a server or before a kill."""
    from mlflow import MlflowClient

    port = find_free_port()
    set_params(project, checkpoint=320, log=32)
    store = project / "store"
    store.mkdir()
    shutil.copy(project / "mlflow.db", store / "mlflow.db")
    uri = f"http://127.0.0.1:{port}"
    client = MlflowClient(uri)

    def arrived() -> list[int]:
        runs = client.search_runs(
            [experiment.experiment_id for experiment in client.search_experiments()],
            order_by=["attributes.start_time DESC"],
        )
        return [point.step for point in client.get_metric_history(runs[0].info.run_id, "loss_generator")]

    with contextlib.ExitStack() as processes:
        with mlflow_server(store, port):
            child = processes.enter_context(training(project, uri))
            wait_for(child, project, "rows", lambda: newest(project) > 2000)
            wait_for(child, project, "rows in MLflow", lambda: len(arrived()) > 20)
        dead = newest(project)
        wait_for(child, project, "progress without a server", lambda: newest(project) > dead + 2000)
        assert messages(project).count("does not answer") == 1
        with mlflow_server(store, port):
            wait_for(child, project, "rows of the time without", lambda: arrived()[-1] > (dead + 2000) / 32)
            child.kill()
            assert wait_for_exit(child) == -signal.SIGKILL
            total = newest(project) + 640
            set_params(project, total, checkpoint=320, log=32)
            with training(project, uri) as second:
                assert wait_for_exit(second) == 0, messages(project)
            assert arrived() == [int(row["step"]) for row in curves(project)]
            assert arrived()[-1] == total // 32
            assert len(client.search_runs(["1"])) == 2, "the fixture's run, and one for both sittings"
    assert "Traceback" not in messages(project)
