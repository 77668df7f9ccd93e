"""Checkpoints are written by a thread: copies, in order, with errors that are reported, and complete at the end."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pipeline import memory_format
from pipeline.training import checkpoint
from pipeline.training.checkpoint_writer import CheckpointWriter, copy_to_host
from pipeline.training.loop import Stopped
from tests.observer import Watcher
from tests.pretended_cuda import GPU, DeviceTensor, pretend
from tests.training.small_trainings import MODELS, build_trainer

save = checkpoint.save


def read(folder: Path, images: int) -> checkpoint.State:
    state = checkpoint.read(checkpoint.path_of(folder, images))
    assert state is not None
    return state


class Gate:
    """Writes wait until the gate is open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened, self.begun = threading.Event(), threading.Event()
        self.order: list[int] = []
        monkeypatch.setattr(checkpoint, "save", self.save)

    def save(self, folder: Path, images_seen: int, state: checkpoint.State) -> Path:
        self.begun.set()
        assert self.opened.wait(600)
        self.order.append(images_seen)
        return save(folder, images_seen, state)


def test_the_training_continues_while_a_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, weights = Gate(monkeypatch), torch.zeros(3)
    history = [{"step": 1.0}]
    state: dict[str, Any] = {"gan": {"w": weights}, "history": history, "checks": [[1.0]]}
    writer = CheckpointWriter(tmp_path, pytest.fail)
    writer.save(16, state, {"best": 16, "last_healthy": -1})
    assert gate.begun.wait(600)
    assert not list(tmp_path.iterdir())
    weights += 1
    history.append({"step": 2.0})
    state["checks"][0].append(2.0)
    gate.opened.set()
    writer.save(32, state, {"best": 16, "last_healthy": 32})
    writer.wait()
    assert gate.order == [16, 32]
    assert writer.saved_images == 32
    assert read(tmp_path, 16)["gan"]["w"].tolist() == [0, 0, 0]
    assert (read(tmp_path, 16)["history"], read(tmp_path, 16)["checks"]) == ([{"step": 1.0}], [[1.0]])
    assert len(read(tmp_path, 32)["history"]) == 2
    assert {path.stem: int(path.read_text()) for path in tmp_path.glob("*.mark")} == {"best": 16, "last_healthy": 32}


def test_a_state_is_copied_to_the_host_with_its_metadata() -> None:
    with pretend() as gpu:
        network = memory_format.channels_last(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).to(GPU))
        state: checkpoint.State = {
            "gan": network.state_dict(),
            "pair": (torch.ones(2), 3),
            "nested": [{"x": torch.ones((), device=GPU)}],
        }
        gpu.clear()
        host = copy_to_host(state)
    assert host["gan"]._metadata == state["gan"]._metadata
    assert not isinstance(host["nested"][0]["x"], DeviceTensor)
    for name, values in host["gan"].items():
        assert not isinstance(values, DeviceTensor)
        assert values.stride() == state["gan"][name].stride(), "the memory format stays"
        assert torch.equal(values, state["gan"][name].held)
    assert host["pair"][0].data_ptr() != state["pair"][0].data_ptr()
    assert host["pair"][1] == 3


def test_a_failed_write_is_reported_by_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    writer = CheckpointWriter(tmp_path, lambda message: warnings.append(f"{threading.current_thread().name} {message}"))
    writer.save(16, {}, {})

    def full(*_: object) -> None:
        raise checkpoint.WriteError("x.pt: cannot be written (No space left on device)")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", full)
        writer.save(32, {}, {})
        writer.wait()
    assert len(warnings) == 1
    assert warnings[0].startswith("MainThread x.pt: cannot be written (No space left on device). Training continues; ")
    assert "the last checkpoint is at 16 images" in warnings[0]
    writer.save(48, {}, {})
    writer.wait()
    assert (writer.saved_images, len(warnings)) == (48, 1)
    monkeypatch.setattr(checkpoint, "save", lambda *_: 1 / 0)
    writer.save(64, {}, {})
    with pytest.raises(ZeroDivisionError):
        writer.wait()


@pytest.mark.parametrize("stop_at", [1000, 48])
def test_all_is_written_when_a_training_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int) -> None:
    """The last write begins when the loop has ended, and is waited for."""
    gate, watcher = Gate(monkeypatch), Watcher(stop_at)
    trainer = build_trainer(MODELS["vanilla"], tmp_path, watcher, 96, checkpoint_images=10_000)
    wait = trainer.writer.wait

    def open_and_wait() -> None:
        gate.opened.set()
        wait()

    monkeypatch.setattr(trainer.writer, "wait", open_and_wait)
    if stop_at < 96:
        with pytest.raises(Stopped):
            trainer.run()
    else:
        trainer.run()
    images = min(stop_at, 96)
    assert gate.order == [images]
    assert trainer.writer.saved_images == images
    assert read(tmp_path, images)["images_seen"] == images
