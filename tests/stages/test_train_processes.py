"""`ganline train` in two processes: one is killed, the other ends, and the next start resumes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from safetensors.numpy import load_file

from tests.processes import start_ganline, wait_for_exit
from tests.stages.test_train import link_digits
from tests.waiting import find_free_port, list_running, wait_until

pytestmark = pytest.mark.slow

PARAMS = """
data: {resolution: 8}
model: {variant: dcgan, latent: 16, generator_channels: 8, discriminator_channels: 8, stabilisers: {lecam: 0.1}}
train:
  {device: cpu, batch_size: 32, total_images: 12000, log_images: 1000, snapshot_images: 4000, checkpoint_images: 500,
    health: {images: 4500}}
"""
TWO = {"GANLINE_PROCESSES": "2"}


@pytest.fixture
def projects(digits: Path, tmp_path: Path) -> tuple[Path, Path]:
    roots = link_digits(digits, tmp_path / "killed"), link_digits(digits, tmp_path / "undisturbed")
    for root in roots:
        (root / "params.yaml").write_text(PARAMS)
    return roots


def newest(root: Path) -> int:
    """Return the images at the newest checkpoint."""
    return max((int(path.stem) for path in root.glob(".ganline/checkpoints/*/*.pt")), default=0)


def wait_for_checkpoint(root: Path, child: ForkServerProcess) -> None:
    """Wait until the training writes a new checkpoint or ends."""
    before = newest(root)
    wait_until(lambda: newest(root) > before or child.exitcode is not None, "the training writes no checkpoint")


def workers(child: ForkServerProcess) -> dict[str, psutil.Process]:
    """Return the processes of the training by their rank."""
    found = {}
    for process in psutil.Process(child.pid).children():
        if "pipeline" in process.cmdline():
            found[process.environ()["RANK"]] = process
    return found


def wait_for_end(processes: list[psutil.Process]) -> None:
    """Wait until none of the processes runs."""
    wait_until(lambda: not list_running(processes), "a process stays alone", pause=0.01)


def test_a_killed_process_ends_the_others_and_loses_nothing(
    projects: tuple[Path, Path], record_property: Callable[[str, object], None]
) -> None:
    """Records the seconds from the kill until the other process has ended (`pytest --junitxml FILE`)."""
    killed, undisturbed = projects
    with start_ganline(
        undisturbed, "train", output=undisturbed / "log", errors=undisturbed / "log", environment=TWO
    ) as child:
        assert wait_for_exit(child) == 0, (undisturbed / "log").read_text()

    log = killed / "log"
    for rank in ("1", "0"):
        with start_ganline(killed, "train", output=log, errors=log, environment=TWO) as child:
            wait_for_checkpoint(killed, child)
            found = workers(child)
            assert set(found) == {"0", "1"}, log.read_text()
            began = time.monotonic()
            os.kill(found[rank].pid, signal.SIGKILL)
            wait_for_end(list(found.values()))
            record_property(f"seconds after the kill of rank {rank}", round(time.monotonic() - began, 2))
            assert wait_for_exit(child) in (4, 128 + signal.SIGKILL), "the code of the first process that failed"
        assert "has lost the others" in log.read_text()
        assert "Traceback" not in log.read_text()
    with start_ganline(killed, "train", output=log, errors=log, environment=TWO) as child:
        assert wait_for_exit(child) == 0, log.read_text()
    assert log.read_text().count("resuming after") == 2
    for name in ("generator", "discriminator"):
        ours, theirs = (load_file(root / "models" / f"{name}.safetensors") for root in projects)
        assert {key: value.tobytes() for key, value in ours.items()} == {
            key: value.tobytes() for key, value in theirs.items()
        }
    assert (killed / "metrics" / "train.json").exists()


def test_a_signal_stops_all_processes_with_a_checkpoint(projects: tuple[Path, Path]) -> None:
    root = projects[0]
    log = root / "log"
    with start_ganline(root, "train", output=log, errors=log, environment=TWO) as child:
        wait_for_checkpoint(root, child)
        assert child.exitcode is None, log.read_text()
        assert child.pid is not None
        os.kill(child.pid, signal.SIGTERM)
        assert wait_for_exit(child) == 130, log.read_text()
    assert log.read_text().count("stopped after") == 1


def test_torchrun_gives_the_bits_of_the_variable(projects: tuple[Path, Path]) -> None:
    ours, theirs = projects
    thread = {"OMP_NUM_THREADS": "1"}  # as torchrun sets it
    for root in projects:
        (root / "params.yaml").write_text(PARAMS.replace("12000", "640").replace("4500", "null"))
    log = ours / "log"
    with start_ganline(ours, "train", output=log, errors=log, environment=TWO | thread) as child:
        assert wait_for_exit(child) == 0, log.read_text()
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    torchrun += ["--master-port", str(find_free_port()), "-m", "pipeline", "train"]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"} | thread
    done = subprocess.run(torchrun, cwd=theirs, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    files = [(root / "models" / "generator.safetensors").read_bytes() for root in projects]
    assert files[0] == files[1]
