"""MD-GAN across processes: each machine has its own project folder, and the data of its workers only."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.stages import train
from pipeline.stages.commands import divide
from tests.processes import start_ganline, wait_for_exit
from tests.stages.test_train import link_digits
from tests.stages.test_train_processes import wait_for_checkpoint, workers
from tests.waiting import WAIT_SECONDS, find_free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PARAMS = """
data: {{resolution: 8}}
model: {{variant: mdgan, workers: 4, split: own, latent: 16, generator_channels: 8, discriminator_channels: 8}}
train:
  {{device: cpu, batch_size: 32, total_images: {total}, log_images: 1000, snapshot_images: 4000, checkpoint_images: 500,
    health: {{images: 3000}}}}
"""
WATCH = """
import os, sys

def note(event, values):
    if event == "open" and "/workers/" in str(values[0]) or event == "open" and "/dataset/" in str(values[0]):
        line = f"{os.environ['RANK']} {os.path.abspath(values[0])}\\n"
        os.write(log, line.encode())

log = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
sys.addaudithook(note)
"""
HELD = {0: ["server"], 1: ["0", "2"], 2: ["1", "3"]}
"""What each machine has of data/workers."""


def divided(digits: Path, root: Path, total: int) -> Path:
    """Return a project whose workers have data of their own, two or three classes each."""
    link_digits(digits, root)
    (root / "data").unlink()
    shutil.copytree(digits / "data", root / "data")
    (root / "params.yaml").write_text(PARAMS.format(total=total))
    divide.run(root, "classes")
    return root


def test_no_process_opens_the_data_of_another(digits: Path, tmp_path: Path) -> None:
    """Three machines with a project folder each; the weights are those of one process that has all data."""
    whole = divided(digits, tmp_path / "whole", 320)
    opened = tmp_path / "opened"
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "sitecustomize.py").write_text(WATCH)
    shared = {
        "WORLD_SIZE": "3",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(find_free_port()),
        "OPENED": str(opened),
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "hooks"), str(ROOT)]),
        "OMP_NUM_THREADS": "1",
    }
    children = []
    for rank, folders in HELD.items():
        machine = tmp_path / f"machine{rank}"
        for folder in folders:
            shutil.copytree(whole / "data" / "workers" / folder, machine / "data" / "workers" / folder)
        shutil.copy(whole / "params.yaml", machine)
        shutil.copy(whole / "mlflow.db", machine)
        environment = os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        environment.pop("MLFLOW_TRACKING_URI", None)
        command = [sys.executable, "-m", "pipeline", "train"]
        children.append(subprocess.Popen(command, cwd=machine, env=environment, stderr=subprocess.PIPE))
    for child in children:
        _, errors = child.communicate(timeout=WAIT_SECONDS)
        assert child.returncode == 0, errors.decode()

    seen = {tuple(line.split(" ", 1)) for line in opened.read_text().splitlines()}
    for rank, folders in HELD.items():
        own = {path for number, path in seen if number == str(rank)}
        allowed = [str(tmp_path / f"machine{rank}" / "data" / "workers" / folder) for folder in folders]
        assert own
        assert [path for path in own if not path.startswith(tuple(f"{folder}/" for folder in allowed))] == []
        assert {next(folder for folder in allowed if path.startswith(folder)) for path in own} == set(allowed)
    assert not (tmp_path / "machine1" / "models").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        train.run(whole)
    for name in ("generator", "discriminator"):
        ours, theirs = (load_file(root / "models" / f"{name}.safetensors") for root in (tmp_path / "machine0", whole))
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            np.testing.assert_allclose(value, theirs[key], atol=5e-3, err_msg=key)


def test_a_killed_worker_ends_the_others_and_loses_nothing(digits: Path, tmp_path: Path) -> None:
    killed, undisturbed = (divided(digits, tmp_path / name, 3200) for name in ("killed", "undisturbed"))
    three = {"GANLINE_PROCESSES": "3"}
    log = undisturbed / "log"
    with start_ganline(undisturbed, "train", output=log, errors=log, environment=three) as child:
        assert wait_for_exit(child) == 0, log.read_text()
    log = killed / "log"
    for rank in ("2", "0"):
        with start_ganline(killed, "train", output=log, errors=log, environment=three) as child:
            wait_for_checkpoint(killed, child)
            found = workers(child)
            assert set(found) == {"0", "1", "2"}, log.read_text()
            os.kill(found[rank].pid, signal.SIGKILL)
            assert wait_for_exit(child) in (4, 128 + signal.SIGKILL)
        assert "Traceback" not in log.read_text()
    with start_ganline(killed, "train", output=log, errors=log, environment=three) as child:
        assert wait_for_exit(child) == 0, log.read_text()
    assert log.read_text().count("resuming after") == 2
    for name in ("generator", "discriminator"):
        ours, theirs = (load_file(root / "models" / f"{name}.safetensors") for root in (killed, undisturbed))
        assert {key: value.tobytes() for key, value in ours.items()} == {
            key: value.tobytes() for key, value in theirs.items()
        }
