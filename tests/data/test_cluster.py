"""Ingestion on a real Dask cluster of processes: the same bytes, kills, other versions, and clear errors."""

import importlib.metadata
import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.code_digest import defining_modules
from pipeline.data import cluster as module
from pipeline.data.cluster import CODE, Cluster
from pipeline.data.ingestion import ingest
from pipeline.errors import InputError
from pipeline.media.image.settings import ImageSettings
from pipeline.media.registry import MEDIA
from pipeline.stages import ingest as stage
from tests.data.ingesting import LIMITS, read_digests
from tests.waiting import find_free_port, wait_until

IMAGE = defining_modules(MEDIA["image"])
FOLDER = Path(__file__).parent


def load_tasks() -> Any:
    """Import cluster_tasks.py under the name that the workers import."""
    spec = importlib.util.spec_from_file_location("cluster_tasks", FOLDER / "cluster_tasks.py")
    assert spec is not None
    assert spec.loader is not None
    tasks = importlib.util.module_from_spec(spec)
    sys.modules["cluster_tasks"] = tasks
    spec.loader.exec_module(tasks)
    return tasks


TASKS = load_tasks()
PATH = f"import sys; sys.path.insert(0, {str(FOLDER)!r})"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Return a cluster of two worker processes on loopback."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        preload=[PATH],
    ) as running:
        yield running


@pytest.fixture
def scheduler(cluster: Any) -> str:
    """Return the address of the cluster's scheduler."""
    return str(cluster.scheduler_address)


@pytest.fixture
def workers(scheduler: str) -> Iterator[Cluster]:
    with Cluster(scheduler, IMAGE) as running:
        yield running


def run(workers: Cluster, function: Callable[..., Any], tasks: Any) -> Iterator[Any]:
    return workers.run_in_order(function, ((key, arguments) for key, *arguments in tasks))


def test_results_are_in_order_of_other_processes_and_released(workers: Cluster) -> None:
    asked = 0

    def tasks() -> Iterator[tuple[int, int]]:
        nonlocal asked
        for asked in range(300):
            yield asked, 7  # equal arguments: every task must have a key of its own

    ahead = held = 0
    for position, (key, result) in enumerate(run(workers, TASKS.double, tasks())):
        assert (key, result) == (position, 14)
        ahead = max(ahead, asked - position)
        held = max(held, len(workers.client.futures))
    assert ahead <= 2 * 2 + 1
    assert held <= 2 * (2 * 2 + 2), "results must not gather on the cluster"
    processes = {number for _, number in run(workers, TASKS.process_number, ((key, key) for key in range(20)))}
    assert os.getpid() not in processes


def write_source(folder: Path, files: Mapping[str, bytes], times: int) -> ImageSettings:
    """Write files of two classes, again and again, and return the settings that ingest them."""
    for number, (name, data) in enumerate([*files.items()] * times):
        path = folder / "ab"[number % 2] / f"{number:05d}_{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    values = {"source": str(folder), "channels": "rgb", "limits": LIMITS, "resolution": 16}
    return ImageSettings.model_validate(values)


def store(settings: ImageSettings, folder: Path, **options: Any) -> dict[str, str]:
    """Ingest into a new folder and return the digests of the store."""
    ingest(settings, folder.parent, folder.parent, folder, **options)
    return read_digests(folder)


def test_stores_are_the_same_bytes_wherever_they_are_decoded(
    scheduler: str, tmp_path: Path, good_files: dict[str, bytes], bad_files: Any
) -> None:
    settings = write_source(tmp_path / "source", {**good_files, **bad_files.files}, 4)
    one = store(settings, tmp_path / "1", workers=1)
    assert one.keys() == {"dataset.json", "manifest.parquet", "shards/00000.npy"}
    assert store(settings, tmp_path / "2", workers=2) == one
    assert store(settings, tmp_path / "cluster", scheduler=scheduler) == one


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_changes_no_byte(
    cluster: Any, scheduler: str, tmp_path: Path, good_files: dict[str, bytes], bad_files: Any
) -> None:
    settings = write_source(tmp_path / "source", {**good_files, **bad_files.files}, 100)
    one = store(settings, tmp_path / "1", workers=1)
    assert store(settings, tmp_path / "8", workers=8) == one
    before = [nanny.pid for nanny in cluster.workers.values()]
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if done > total / 4 and not killed:
            killed.append(before[0])
            os.kill(before[0], signal.SIGKILL)

    assert store(settings, tmp_path / "cluster", scheduler=scheduler, progress=kill) == one
    assert killed
    wait_until(lambda: killed[0] not in [nanny.pid for nanny in cluster.workers.values()], "it was started again")


@pytest.mark.slow
def test_dvc_repro_decodes_on_the_cluster(scheduler: str, tmp_path: Path) -> None:
    """DVC passes the environment on, and does not run the stage again because of another scheduler."""
    root = Path(__file__).parents[2]
    graph = YAML(typ="safe").load(root / "dvc.yaml")
    stage = {key: graph["stages"]["ingest"][key] for key in ("params", "outs")}
    stage["cmd"] = f"{sys.executable} -m pipeline ingest"
    YAML().dump({"stages": {"ingest": stage}}, tmp_path / "dvc.yaml")
    (tmp_path / "params.yaml").write_text("data: {source: digits, limit: 20}\n")

    def dvc(*command: str, address: str) -> str:
        environment = os.environ | {"GANLINE_SCHEDULER": address, "PYTHONPATH": str(root)}
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *command], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    dvc("init", "--no-scm", "--quiet", address="")
    assert f"decoding on the Dask workers of {scheduler}" in dvc("repro", address=scheduler)
    assert "didn't change" in dvc("repro", address="tcp://elsewhere:1")


def test_the_environment_names_the_scheduler(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text("data: {source: digits, limit: 20}")
    monkeypatch.setenv("GANLINE_SCHEDULER", scheduler)
    stage.run(tmp_path)
    out, err = capsys.readouterr()
    assert f"ingest: decoding on the Dask workers of {scheduler}\n" in err
    assert "images" in out
    monkeypatch.setenv("GANLINE_SCHEDULER", "nonsense")
    with pytest.raises(InputError, match="no Dask scheduler answers at 'nonsense'"):
        stage.run(tmp_path)


def test_a_killed_worker_loses_nothing(workers: Cluster, tmp_path: Path) -> None:
    marker = tmp_path / "killed"
    results = [result for _, result in run(workers, TASKS.die_once, ((key, key, str(marker)) for key in range(60)))]
    assert marker.exists()
    assert results == list(range(60))


def test_a_large_file_causes_no_warning(workers: Cluster) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ((_, size),) = run(workers, len, [(0, bytes(12 * 2**20))])
    assert size == 12 * 2**20


def test_an_error_of_a_task_is_raised_here(workers: Cluster) -> None:
    with pytest.raises(InputError, match=r"^task 0 is wrong$"):
        list(run(workers, TASKS.fail, [(0, 0)]))


@pytest.mark.slow
def test_a_task_that_kills_every_worker_is_given_up(workers: Cluster) -> None:
    with pytest.raises(InputError, match=r"a task was given up after it ended 4 workers.*Lower data.limits"):
        list(run(workers, TASKS.die, [(0, 0)]))
    wait_until(lambda: len(workers.client.nthreads()) == 2, "the workers are started again")


def test_other_software_on_a_worker_is_an_error(workers: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    other: Mapping[str, str] = {**module.software_of(*IMAGE), CODE: "0" * 12, "pillow": "1.0"}
    monkeypatch.setattr(workers, "software", other)
    with pytest.raises(
        InputError, match=f"the worker tcp://.* has {CODE} .* instead of 000000000000, pillow .* instead of 1.0"
    ) as caught:
        list(run(workers, TASKS.double, [(0, 0)]))
    assert "requirements.lock" in str(caught.value)


def test_a_module_that_a_worker_lacks_is_an_error(workers: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "modules", ("pipeline.data.newer",))
    with pytest.raises(
        InputError, match=r"the worker tcp://.* lacks code: pipeline\.data\.newer: .*requirements\.lock"
    ):
        list(run(workers, TASKS.double, [(0, 0)]))


@pytest.mark.parametrize(("package", "theirs"), [("dask", "2020.1.0"), ("ganline", None)])
def test_other_versions_on_the_scheduler_are_an_error(
    workers: Cluster, monkeypatch: pytest.MonkeyPatch, package: str, theirs: str | None
) -> None:
    found = workers.client.get_versions(packages=["ganline"])
    mine = found["client"]["packages"][package]
    assert mine == found["scheduler"]["packages"][package] == importlib.metadata.version(package)
    found["scheduler"]["packages"][package] = theirs
    monkeypatch.setattr(workers.client, "get_versions", lambda packages: found)
    words = rf"the scheduler {workers.address} has {package} {theirs or 'missing'} instead of {mine}\. Install the same"
    with pytest.raises(InputError, match=words):
        workers.check_versions()


def test_software_covers_code_and_libraries_of_the_medium() -> None:
    assert {CODE, "Python", "numpy", "pillow"} <= module.software_of(*IMAGE).keys()
    audio = defining_modules(MEDIA["audio"])
    assert module.software_of(*IMAGE)[CODE] != module.software_of(*audio)[CODE]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{}", "nonsense", "abc://127.0.0.1:1"])
def test_a_scheduler_that_does_not_answer_is_an_error(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.5)
    with pytest.raises(InputError, match=r"GANLINE_SCHEDULER: no Dask scheduler answers at .*`dask scheduler`"):
        Cluster(address.format(find_free_port()), IMAGE)


SCHEDULER = """
import asyncio, sys
from distributed import Scheduler, Worker
async def main():
    async with Scheduler(host="127.0.0.1", port=int(sys.argv[1]), dashboard=False) as scheduler:
        workers = [await Worker(scheduler.address) for _ in range(int(sys.argv[2]))]
        print(scheduler.address, flush=True)
        await scheduler.finished()
asyncio.run(main())
"""


@pytest.fixture
def start_scheduler() -> Iterator[Callable[[int], tuple[str, subprocess.Popen[str]]]]:
    """Return a function that starts a scheduler with so many workers in one process."""
    started = []

    def start(workers: int) -> tuple[str, subprocess.Popen[str]]:
        command = [sys.executable, "-c", f"{PATH}\n{SCHEDULER}", str(find_free_port()), str(workers)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        return process.stdout.readline().strip(), process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_scheduler_without_workers_is_an_error(
    start_scheduler: Callable[[int], tuple[str, subprocess.Popen[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WORKERS_SECONDS", 0.3)
    address, _ = start_scheduler(0)
    with pytest.raises(InputError, match=rf"{address} has no workers after 0.3 s.*dask worker {address}"):
        Cluster(address, IMAGE)


def test_a_scheduler_that_is_killed_is_an_error(
    start_scheduler: Callable[[int], tuple[str, subprocess.Popen[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.2)
    address, process = start_scheduler(1)

    def tasks() -> Iterator[tuple[int, int]]:
        for number in itertools.count():
            if number == 30:
                process.kill()
            yield number, number

    lost = f"the connection to the scheduler {address} was lost"
    with Cluster(address, IMAGE) as workers, pytest.raises(InputError, match=lost):
        list(run(workers, TASKS.double, tasks()))
