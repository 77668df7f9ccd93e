"""The train stage as a user meets it: a process in a checkout, stopped, continued, and given wrong settings."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.numpy import load_file

PARAMS = """
data: {{resolution: 8}}
model: {{variant: dcgan, latent: 16, generator_channels: 16, discriminator_channels: 16, penalties: {{r1: 0.1, every: 4}}}}
train: {{device: cpu, batch_size: 32, total_images: {total}, log_images: 500, snapshot_images: 2000, checkpoint_images: 1000, seed: {seed}}}
"""


def ganline(stage: str, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", stage],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def environment() -> dict[str, str]:
    """One thread, so that sums are the same however busy the machine is; no tracking server of the user's."""
    return {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"} | {
        "OMP_NUM_THREADS": "1"
    }


def set_params(root: Path, total: int = 6000, seed: int = 0) -> None:
    (root / "params.yaml").write_text(PARAMS.format(total=total, seed=seed))


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose digits are ingested and validated."""
    root = tmp_path_factory.mktemp("project")
    set_params(root)
    for stage in ("ingest", "validate"):
        done = ganline(stage, root)
        assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def project(validated: Path, tmp_path: Path) -> Path:
    (tmp_path / "data").symlink_to(validated / "data")
    set_params(tmp_path)
    return tmp_path


def curves(root: Path) -> list[dict[str, str]]:
    with (root / "reports" / "training.csv").open() as file:
        return [
            {name: value for name, value in row.items() if name not in ("seconds", "images_per_second")}
            for row in csv.DictReader(file)
        ]


def test_stopped_and_continued_equals_undisturbed(project: Path, validated: Path) -> None:
    """SIGTERM in the middle: exit 130 within seconds, a checkpoint, and then the same weights, curves and pictures as a run left alone."""
    whole = project / "whole"
    whole.mkdir()
    (whole / "data").symlink_to(validated / "data")
    set_params(whole)
    assert ganline("train", whole).returncode == 0

    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", "train"], cwd=project, env=environment(), stderr=subprocess.PIPE, text=True
    ) as child:
        table = project / "reports" / "training.csv"
        deadline = time.monotonic() + 120
        while not (table.exists() and len(table.read_text().splitlines()) > 3):
            assert child.poll() is None, child.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        message = child.communicate(timeout=30)[1]
    assert child.returncode == 130
    assert "goes on from there" in message
    assert not (project / "models" / "generator.safetensors").exists()

    # DVC clears a stage's outputs before running it again.
    table.unlink()
    for picture in (project / "reports" / "samples").iterdir():
        picture.unlink()
    done = ganline("train", project)
    assert done.returncode == 0, done.stderr
    assert "going on after" in done.stderr

    for file in ("discriminator.safetensors", "generator.safetensors"):
        ours, theirs = (load_file(root / "models" / file) for root in (project, whole))
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            assert value.tobytes() == theirs[name].tobytes(), name
        assert (project / "models" / file).read_bytes() == (whole / "models" / file).read_bytes()
    assert curves(project) == curves(whole)
    pictures = sorted(path.name for path in (project / "reports" / "samples").iterdir())
    assert pictures == ["000000000.png", "000002016.png", "000004000.png", "000006016.png"]
    for name in pictures:
        assert (project / "reports" / "samples" / name).read_bytes() == (
            whole / "reports" / "samples" / name
        ).read_bytes()
    assert (project / "models" / "config.json").read_text() == (whole / "models" / "config.json").read_text()

    measured = json.loads((project / "metrics" / "train.json").read_text())
    assert measured["images_seen"] == 6016
    assert measured["device"] == "cpu"

    # Longer training goes on from the end; other settings start afresh; the same again has nothing left to do.
    set_params(project, total=7000)
    assert "going on after 6,016 images" in ganline("train", project).stderr
    assert curves(project)[:12] == curves(whole)[:12]
    set_params(project, total=3000)
    assert "already seen more than train.total_images 3,000; to train anew delete" in ganline("train", project).stderr
    set_params(project, seed=1)
    assert "going on" not in ganline("train", project).stderr
    assert (
        load_file(project / "models" / "generator.safetensors")["generator.layers.1.weight"].tobytes()
        != theirs["generator.layers.1.weight"].tobytes()
    )


def test_curves_are_in_mlflow_once(project: Path) -> None:
    """The run of models/run.json holds each logged step exactly once, the parameters, the data set and the pictures."""
    from pipeline.tracking.mlflow_store import address, connect

    done = ganline("train", project)
    assert done.returncode == 0, done.stderr
    client = connect(address(project))
    run = client.get_run(json.loads((project / "models" / "run.json").read_text())["run_id"])
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "loss_generator")
    assert [point.step for point in history] == [int(row["step"]) for row in curves(project)]
    assert run.data.params["model.latent"] == "16"
    assert run.inputs is not None
    assert run.inputs.dataset_inputs[0].dataset.name == "digits"
    assert len(client.list_artifacts(run.info.run_id, "samples")) == 4


def test_a_damaged_shard_is_named(project: Path, validated: Path) -> None:
    (project / "data").unlink()
    import shutil

    shutil.copytree(validated / "data", project / "data")
    shard = project / "data" / "dataset" / "shards" / "00000.npy"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    done = ganline("train", project)
    assert done.returncode == 2
    assert "00000.npy: its sha256 is not the one in dataset.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_training_that_never_was_healthy_exits_4_with_advice(project: Path) -> None:
    """Rates ten thousand times too high, and no look is well; nothing is delivered, and the curves stay to be looked at."""
    hot = "learning_rate: {generator: 1.0, discriminator: 1.0}, health: {images: 500, samples: 64, patience: 1, grace: 0.1, rollbacks: 0}, "
    (project / "params.yaml").write_text(PARAMS.format(total=6000, seed=0).replace("train: {", "train: {" + hot))
    done = ganline("train", project)
    assert done.returncode == 4, done.stderr
    assert "mode collapse after 1,024 images: " in done.stderr, "complete, or nearly: rates like these are chaos"
    assert "What may help: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "models" / "generator.safetensors").exists()
    assert curves(project)


def test_what_happened_is_told(project: Path) -> None:
    """Bounds that no training meets: symptoms become events in metrics/train.json, and the best look's model is delivered."""
    strict = "health: {images: 500, samples: 64, patience: 1, grace: 0.0, rollbacks: 1, limits: {near_duplicates: 0.0, distance: 0.0, diversity: 0.0}}, "
    (project / "params.yaml").write_text(PARAMS.format(total=6000, seed=0).replace("train: {", "train: {" + strict))
    done = ganline("train", project)
    assert done.returncode == 0, done.stderr
    measured = json.loads((project / "metrics" / "train.json").read_text())
    assert measured["rollbacks"] == 1
    assert any("mode collapse" in event and "rolled back to the weights of" in event for event in measured["events"])
    assert measured["selected_images"] <= measured["images_seen"] < 6016
    assert json.loads((project / "models" / "config.json").read_text())["images_seen"] == measured["selected_images"]
    assert 0 < measured["health_share"] < 1
    assert {"health_fid", "health_diversity", "health_overfitting"} <= set(curves(project)[-1])
    again = ganline("train", project)
    assert again.returncode == 0, again.stderr
    assert json.loads((project / "metrics" / "train.json").read_text())["events"] == measured["events"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {device: cuda}", "train.device is cuda, but torch sees no CUDA device"),
        ("train: {bacth_size: 3}", "did you mean `batch_size`?"),
    ],
)
def test_wrong_settings(project: Path, text: str, words: str) -> None:
    import torch

    if "cuda" in text and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    (project / "params.yaml").write_text(text)
    done = ganline("train", project)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("micro_batch", "way_out"),
    [("null", "set train.micro_batch: auto"), ("auto", "lower model's widths or train.batch_size")],
)
def test_running_out_of_gpu_memory_is_told(
    project: Path, monkeypatch: pytest.MonkeyPatch, micro_batch: str, way_out: str
) -> None:
    import torch

    from pipeline.errors import TrainingFailed
    from pipeline.stages import train
    from pipeline.training.loop import Trainer

    def full(_: Trainer) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(Trainer, "run", full)
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("batch_size: 32", f"batch_size: 32, micro_batch: {micro_batch}"))
    with pytest.raises(
        TrainingFailed, match=rf"out of GPU memory with 32 images at a time \(CUDA out of memory.*GiB\.\); {way_out}"
    ):
        train.run(project)


def test_nothing_ingested(tmp_path: Path) -> None:
    set_params(tmp_path)
    done = ganline("train", tmp_path)
    assert done.returncode == 2
    assert "run `dvc repro ingest` first" in done.stderr


def test_data_made_for_pairs_is_not_trained_on_as_single_images(project: Path, validated: Path) -> None:
    """A stage run by hand after data.pairs was changed: by name, not by a shape that does not fit."""
    from pipeline.errors import InputError
    from pipeline.stages import train

    (project / "data").unlink()
    shutil.copytree(validated / "data", project / "data")
    described = project / "data" / "dataset" / "dataset.json"
    described.write_text(described.read_text().replace('"pairs": "none"', '"pairs": "halves"'))
    with pytest.raises(
        InputError, match=r"was made with data\.pairs halves, and .*params\.yaml says none; run `dvc repro`"
    ):
        train.run(project)
