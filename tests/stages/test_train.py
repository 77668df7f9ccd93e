"""The train stage in a process of its own: stopped, resumed, and with wrong settings."""

import csv
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from pipeline.stages.training_reporter import report_intervals, report_share_of_checks
from pipeline.training.settings import TrainSettings
from tests.processes import run_ganline, start_ganline, wait_for_exit
from tests.waiting import wait_until

PARAMS = """
data: {{resolution: 8}}
model:
  {{variant: dcgan, latent: 16, generator_channels: 16, discriminator_channels: 16, penalties: {{r1: 0.1, every: 4}}}}
train:
  {{device: cpu, batch_size: 32, total_images: {total}, log_images: 250, snapshot_images: 1000, checkpoint_images: 500,
    seed: {seed}, {health}}}
"""


def set_params(root: Path, total: int = 3000, seed: int = 0) -> None:
    """Write params.yaml."""
    (root / "params.yaml").write_text(PARAMS.format(total=total, seed=seed, health="health: {images: 20000}"))


@pytest.fixture
def project(digits: Path, tmp_path: Path) -> Path:
    """A project that has digits, and no model yet."""
    return link_digits(digits, tmp_path)


def link_digits(digits: Path, root: Path) -> Path:
    """Make `root` a project with the data and the empty MLflow store of `digits`."""
    root.mkdir(exist_ok=True)
    (root / "data").symlink_to(digits / "data")
    shutil.copy(digits / "mlflow.db", root)
    set_params(root)
    return root


def curves(root: Path) -> list[dict[str, str]]:
    """Return the rows of the training curves, without times."""
    with (root / "reports" / "training.csv").open() as file:
        return [
            {name: value for name, value in row.items() if name not in ("seconds", "images_per_second")}
            for row in csv.DictReader(file)
        ]


def test_a_stopped_and_resumed_training_equals_an_uninterrupted_one(project: Path, digits: Path) -> None:
    """SIGTERM ends the run with exit code 130 and a checkpoint; resumed, it gives the same bits."""
    uninterrupted = link_digits(digits, project / "uninterrupted")
    assert run_ganline(uninterrupted, "train").returncode == 0

    table, log = project / "reports" / "training.csv", project / "log"
    with start_ganline(project, "train", output=log, errors=log) as child:
        wait_until(
            lambda: child.exitcode is not None or (table.exists() and len(table.read_text().splitlines()) > 3),
            "the training writes no curves",
        )
        assert child.exitcode is None, log.read_text()
        os.kill(child.pid or 0, signal.SIGTERM)
        assert wait_for_exit(child) == 130
    assert "`dvc repro` resumes from" in log.read_text()
    assert not (project / "models" / "generator.safetensors").exists()

    # DVC clears a stage's outputs before running it again.
    table.unlink()
    for image in (project / "reports" / "samples").iterdir():
        image.unlink()
    done = run_ganline(project, "train")
    assert done.returncode == 0, done.stderr
    assert "resuming after" in done.stderr

    for file in ("discriminator.safetensors", "generator.safetensors"):
        ours, theirs = (load_file(root / "models" / file) for root in (project, uninterrupted))
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            assert value.tobytes() == theirs[name].tobytes(), name
        assert (project / "models" / file).read_bytes() == (uninterrupted / "models" / file).read_bytes()
    assert curves(project) == curves(uninterrupted)
    images = sorted(path.name for path in (project / "reports" / "samples").iterdir())
    assert images == ["000000000.png", "000001024.png", "000002016.png", "000003008.png"]
    for name in images:
        ours_theirs = [(root / "reports" / "samples" / name).read_bytes() for root in (project, uninterrupted)]
        assert ours_theirs[0] == ours_theirs[1]
    assert (project / "models" / "config.json").read_text() == (uninterrupted / "models" / "config.json").read_text()

    metrics = json.loads((project / "metrics" / "train.json").read_text())
    assert metrics["images_seen"] == 3008
    assert metrics["device"] == "cpu"

    # More images extend the training; fewer images or other settings start a new one.
    set_params(project, total=3500)
    assert "resuming after 3,008 images" in run_ganline(project, "train").stderr
    assert curves(project)[:12] == curves(uninterrupted)[:12]
    set_params(project, total=1500)
    done = run_ganline(project, "train")
    assert "seen 3,520 images, more than train.total_images 1,500. A shorter training starts from the" in done.stderr
    assert "resuming" not in done.stderr
    assert json.loads((project / "metrics" / "train.json").read_text())["images_seen"] == 1504
    assert curves(project)[:5] == curves(uninterrupted)[:5], "the last row has a look"
    set_params(project, seed=1)
    assert "resuming" not in run_ganline(project, "train").stderr
    assert (
        load_file(project / "models" / "generator.safetensors")["generator.layers.1.weight"].tobytes()
        != theirs["generator.layers.1.weight"].tobytes()
    )


def test_curves_are_in_mlflow_once(project: Path) -> None:
    """The run of models/run.json has each logged step once, the parameters, the data set and the images."""
    from pipeline.tracking.mlflow_store import address, connect

    done = run_ganline(project, "train")
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


def test_a_damaged_shard_is_named(project: Path, digits: Path) -> None:
    (project / "data").unlink()
    shutil.copytree(digits / "data", project / "data")
    shard = project / "data" / "dataset" / "shards" / "00000.npy"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    done = run_ganline(project, "train")
    assert done.returncode == 2
    assert "00000.npy: its sha256 differs from dataset.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_training_that_never_was_healthy_exits_4_with_advice(project: Path) -> None:
    """Learning rates are far too high, so no health check passes: no model is written, but the curves are."""
    hot = (
        "learning_rate: {generator: 1.0, discriminator: 1.0}, "
        "health: {images: 500, samples: 64, patience: 1, grace: 0.1, rollbacks: 0}, "
    )
    (project / "params.yaml").write_text(
        PARAMS.format(total=6000, seed=0, health="flips: false").replace("{device: cpu", "{" + hot + "device: cpu")
    )
    done = run_ganline(project, "train")
    assert done.returncode == 4, done.stderr
    assert "mode collapse after 1,024 images: " in done.stderr, "complete or partial: such rates are chaotic"
    assert "What may help: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "models" / "generator.safetensors").exists()
    assert curves(project)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, []),
        ({"health": None}, []),
        ({"health": {"images": 20_000}}, ["only 4 health checks in 80,000 images", "or to 8,000 or less"]),
        ({"checkpoint_images": 100_000}, ["train.checkpoint_images 100,000 exceeds the 80,000 images"]),
    ],
)
def test_intervals_too_long_for_the_training_are_warned_about(
    settings: dict[str, Any], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    report_intervals(TrainSettings.model_validate({"total_images": 80_000, **settings}), "image")
    message = capsys.readouterr().err
    assert all(word in message for word in words)
    assert bool(message) == bool(words)


def test_a_training_that_mostly_measures_itself_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    for seconds, total in ((59, 100), (100, 600)):
        report_share_of_checks(seconds, total, "image")
    assert capsys.readouterr().err == ""
    report_share_of_checks(61, 200, "image")
    assert "health checks took 30% of the training." in capsys.readouterr().err


def test_symptoms_become_events(project: Path) -> None:
    """With bounds that no training meets, metrics/train.json lists the events, and the best model is written."""
    strict = (
        "health: {images: 500, samples: 64, patience: 1, grace: 0.0, rollbacks: 1, "
        "limits: {near_duplicates: 0.0, distance: 0.0, diversity: 0.0}}, "
    )
    (project / "params.yaml").write_text(
        PARAMS.format(total=6000, seed=0, health="flips: false").replace("{device: cpu", "{" + strict + "device: cpu")
    )
    done = run_ganline(project, "train")
    assert done.returncode == 0, done.stderr
    measured = json.loads((project / "metrics" / "train.json").read_text())
    assert measured["rollbacks"] == 1
    assert any("mode collapse" in event and "rolled back to the checkpoint at" in event for event in measured["events"])
    assert measured["selected_images"] <= measured["images_seen"] < 6016
    assert json.loads((project / "models" / "config.json").read_text())["images_seen"] == measured["selected_images"]
    assert 0 < measured["health_share"] < 1
    assert {"health_fid", "health_diversity", "health_overfitting"} <= set(curves(project)[-1])
    again = run_ganline(project, "train")
    assert again.returncode == 0, again.stderr
    assert json.loads((project / "metrics" / "train.json").read_text())["events"] == measured["events"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {device: cuda}", "train.device is cuda, but torch sees no CUDA device"),
        ("train: {bacth_size: 3}", "did you mean `batch_size`?"),
    ],
)
def test_invalid_settings_exit_with_2_and_a_message(project: Path, text: str, words: str) -> None:
    import torch

    if "cuda" in text and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    (project / "params.yaml").write_text(text)
    done = run_ganline(project, "train")
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("micro_batch", "remedy"),
    [("null", "Set train.micro_batch: auto"), ("auto", "Lower the model's widths or train.batch_size")],
)
def test_running_out_of_gpu_memory_is_an_error_with_advice(
    project: Path, monkeypatch: pytest.MonkeyPatch, micro_batch: str, remedy: str
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
        TrainingFailed,
        match=rf"out of GPU memory with 32 images per forward pass \(CUDA out of memory.*GiB\.\)\. {remedy}",
    ):
        train.run(project)


def test_without_data_the_error_names_the_command(tmp_path: Path) -> None:
    set_params(tmp_path)
    done = run_ganline(tmp_path, "train")
    assert done.returncode == 2
    assert "run `dvc repro ingest` first" in done.stderr


def test_data_ingested_with_other_pairs_is_rejected(project: Path, digits: Path) -> None:
    """The stage is run by hand after data.pairs has changed. The message names the setting, not the shape."""
    from pipeline.errors import InputError
    from pipeline.stages import train

    (project / "data").unlink()
    shutil.copytree(digits / "data", project / "data")
    described = project / "data" / "dataset" / "dataset.json"
    described.write_text(described.read_text().replace('"pairs": "none"', '"pairs": "halves"'))
    with pytest.raises(
        InputError, match=r"was made with data\.pairs halves, but .*params\.yaml says none\. Run `dvc repro`"
    ):
        train.run(project)
