"""Trainings in several processes equal those in one, and continue on another number of processes."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

from pipeline import processes
from pipeline.cli.launch import wanted_processes
from pipeline.errors import InputError
from pipeline.training.gradient_accumulation import divide_batch
from pipeline.training.settings import TrainSettings
from tests.processes import FORKS, wait_for_exit
from tests.training.small_trainings import MODELS
from tests.training.test_warm_start import build_model
from tests.waiting import find_free_port

CODE = """
import os, sys, types
from pathlib import Path

os.environ.update(environment)
tests = types.ModuleType("tests")
tests.__path__ = [folder_of_tests]
sys.modules["tests"] = tests
from tests.training.shared_trainings import train

train(names, Path(folder), total, stop_at, batch, replays)
"""
ROUNDING = 1e-12
AMPLIFIED = 1e-7
"""Some biases have gradients of rounding errors only, which Adam scales up."""
ROUNDED = ("drit", "stargan", "musegan", "wavegan relativistic", "accompaniment")
"""Models with such biases although they have no batch normalisation.

They lie before instance normalisation, or R1 and a relativistic objective do not depend on them.
"""


def run_processes(
    count: int,
    names: Sequence[str],
    folder: Path,
    total: int = 96,
    stop_at: int = 10_000,
    batch: int = 16,
    replays: bool = False,
) -> dict[str, Any]:
    """Train in `count` processes; return the weights, the last row and the notes of each model."""
    folder.mkdir(exist_ok=True)
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_port())}
    children = [
        FORKS.Process(
            target=exec,
            args=(
                CODE,
                {
                    "environment": shared | {"RANK": str(rank)},
                    "folder_of_tests": str(Path(__file__).parents[1]),
                    "names": list(names),
                    "folder": str(folder),
                    "total": total,
                    "stop_at": stop_at,
                    "batch": batch,
                    "replays": replays,
                },
            ),
        )
        for rank in range(count)
    ]
    for child in children:
        child.start()
    assert [wait_for_exit(child) for child in children] == [0] * count
    results: dict[str, Any] = torch.load(folder / "weights.pt", weights_only=True)
    return results


def find_biases_without_effect(name: str) -> set[str]:
    """Return the biases of convolutions whose result is normalised by instance: the mean of a channel is subtracted."""
    layers = [(path, layer) for path, layer in build_model(name, 0).named_modules() if isinstance(layer, nn.Sequential)]
    return {
        f"{path}.{number}.bias"
        for path, layer in layers
        for number, following in enumerate(layer[1:])
        if isinstance(following, nn.InstanceNorm2d)
    }


def assert_equal(one: dict[str, Any], several: dict[str, Any]) -> None:
    for name, expected in one.items():
        without_effect = find_biases_without_effect(name)
        found = several[name]
        normalised = any("running_mean" in key for key in expected["weights"])
        bound = AMPLIFIED if normalised or name in ROUNDED else ROUNDING
        for key, value in expected["weights"].items():
            if key in without_effect:
                continue
            difference = (found["weights"][key] - value).abs().double()
            assert difference.numel() == 0 or difference.max() < bound, (name, key)
        for key, value in expected["row"].items():
            if key not in ("seconds", "images_per_second"):
                assert found["row"][key] == pytest.approx(value, rel=bound, abs=bound), (name, key)


def test_the_weights_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    """Penalties, packs, groups, ADA, LeCam, top-k, dropout, batch statistics; also stopped on two, continued on one."""
    names = ["vanilla", "dcgan", "stylegan2"]
    one = run_processes(1, names, tmp_path / "one")
    assert_equal(one, run_processes(2, names, tmp_path / "two"))
    run_processes(2, names, tmp_path / "moved", stop_at=48)
    assert_equal(one, run_processes(1, names, tmp_path / "moved"))


def test_phases_without_an_exchange_are_replayed_in_each_process(tmp_path: Path) -> None:
    """Gradients are averaged after a replay. Batch normalisation exchanges numbers within a loss."""
    found = run_processes(2, ["vanilla clipped", "dcgan"], tmp_path, replays=True)
    for name in ("vanilla clipped", "dcgan"):
        expected, replayed = found[name]["weights"], found[f"{name} replayed"]["weights"]
        assert [key for key, value in expected.items() if not torch.equal(value, replayed[key])] == []
    assert found["vanilla clipped replayed"]["notes"] == ["CUDA graphs: captured discriminator, generator"]
    (note,) = found["dcgan replayed"]["notes"]
    assert note.count("(exchanges numbers with other processes: allreduce_, processes.py:") == 3
    assert "captured" in note
    assert "; captured" not in note


def test_workers_with_data_of_their_own(tmp_path: Path) -> None:
    """MD-GAN: a server and two processes with two workers each; stopped after a swap, continued on two processes."""
    names = ["mdgan own"]
    one = run_processes(1, names, tmp_path / "one", 192)
    run_processes(3, names, tmp_path / "moved", 192, stop_at=112)
    assert_equal(one, run_processes(2, names, tmp_path / "moved", 192))
    order = one["mdgan own"]["weights"]["_extra_state"].tolist()
    assert order[0] == 1
    assert order[1:] != [0, 1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_every_variant_in_several_processes(tmp_path: Path, count: int) -> None:
    """Long enough for the pretraining of the variants that have one."""
    batch = 8 * count
    long = ["nextframe", "srgan", "denoise"]
    rest = [name for name in MODELS if name not in long]
    for names, total in ((long, 192), (rest, 3 * batch)):
        one = run_processes(1, names, tmp_path / "one", total, batch=batch)
        assert_equal(one, run_processes(count, names, tmp_path / "several", total, batch=batch))


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("vanilla", {"batch_size": 18}, "train.batch_size 18: 4 processes cannot share .* a multiple of 8"),
        ("dcgan", {"batch_size": 24}, r"groups of 4 images .* cannot be formed from the 6 images of each of 4"),
        ("dcgan residual", {"batch_size": 16, "micro_batch": 8}, "train.micro_batch 8: must divide the 4 images"),
    ],
)
def test_a_batch_that_cannot_be_shared_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, settings: dict[str, Any], words: str
) -> None:
    monkeypatch.setattr(processes, "count", lambda: 4)
    with pytest.raises(InputError, match=words):
        divide_batch(TrainSettings.model_validate(settings), build_model(name, 0))


@pytest.mark.parametrize(("cuda", "backend"), [(False, "gloo"), (True, "cpu:gloo,cuda:nccl")])
def test_processes_wait_longer_than_a_health_check_takes(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, backend: str
) -> None:
    """They wait in an exchange while the first process measures; torch gives up after 10 or 30 minutes."""
    joined = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(dist, "init_process_group", lambda kind, timeout: joined.append((kind, timeout)))
    processes.join()
    assert joined == [(backend, timedelta(hours=2))]


def test_the_environment_says_how_many_processes_to_start() -> None:
    assert wanted_processes({}) == wanted_processes({"GANLINE_PROCESSES": ""}) == 1
    assert wanted_processes({"GANLINE_PROCESSES": "3"}) == 3
    assert wanted_processes({"GANLINE_PROCESSES": "3", "WORLD_SIZE": "3"}) == 1, "torchrun has started them"
    for text in ("0", "two", "-1"):
        with pytest.raises(InputError, match=f"GANLINE_PROCESSES must be a number of processes from 1, not '{text}'"):
            wanted_processes({"GANLINE_PROCESSES": text})
