"""N + N steps equal 2N steps bit for bit, for every variant and every stabiliser with a state."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.training import checkpoint
from pipeline.training.loop import Stopped
from tests.observer import Watcher as Observer
from tests.training.small_trainings import MODELS, build_trainer


class Watcher(Observer):
    """Fails on warnings: a resumed training has none."""

    def on_warning(self, message: str) -> None:
        pytest.fail(message)


def differences(a: object, b: object, where: str = "") -> list[str]:
    """Return the paths at which two states differ in any bit, without wall-clock times."""
    if type(a) is not type(b):
        return [where]
    if isinstance(a, dict) and isinstance(b, dict):
        found = [] if a.keys() == b.keys() else [f"{where}: keys"]
        return found + [
            path
            for key in a.keys() & b.keys() - {"seconds", "images_per_second"}
            for path in differences(a[key], b[key], f"{where}.{key}")
        ]
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        found = [] if len(a) == len(b) else [f"{where}: length"]
        return found + [
            path
            for k, (left, right) in enumerate(zip(a, b, strict=False))
            for path in differences(left, right, f"{where}[{k}]")
        ]
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return [] if torch.equal(a, b) else [where]
    return [] if a == b else [where]


def stopped(model: Mapping[str, Any], folder: Path, stop_at: int) -> tuple[Watcher, checkpoint.State]:
    """Train until `stop_at`; return the observer and the checkpoint."""
    watcher = Watcher(stop_at)
    with pytest.raises(Stopped):
        build_trainer(model, folder, watcher).run()
    torch.rand(7)  # other uses of the global generator must not matter
    state, corrupted = checkpoint.load_latest(folder)
    assert state is not None
    assert corrupted == []
    assert state["images_seen"] == stop_at
    return watcher, state


@dataclass(frozen=True)
class Uninterrupted:
    """An uninterrupted training: its reports and its last state."""

    watcher: Watcher
    state: Mapping[str, Any]


@pytest.fixture(scope="module")
def train_uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Uninterrupted]:
    """Return a function that trains a model of MODELS without a stop, once per module."""

    @cache
    def train(name: str) -> Uninterrupted:
        watcher = Watcher()
        training = build_trainer(MODELS[name], tmp_path_factory.mktemp("uninterrupted"), watcher)
        training.run()
        return Uninterrupted(watcher, training.state())

    return train


@pytest.fixture(scope="module")
def stop_near_the_end(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], checkpoint.State]:
    """Return a function that returns a model's checkpoint at 336 of 384 images, from one training per module."""

    @cache
    def train(name: str) -> checkpoint.State:
        return stopped(MODELS[name], tmp_path_factory.mktemp("stopped"), 336)[1]

    return lambda name: copy.deepcopy(train(name))  # optimizers use its tensors


@pytest.mark.parametrize(
    ("name", "stop_at"),
    [
        pytest.param(name, stop_at, marks=[pytest.mark.slow] if stop_at != 112 or name == "drit" else [])
        for name in MODELS
        for stop_at in (16, 112, 192, 368)
    ],
)
def test_resumed_training_equals_an_uninterrupted_one(
    tmp_path: Path, train_uninterrupted: Callable[[str], Uninterrupted], name: str, stop_at: int
) -> None:
    """Weights, optimizers, EMA, random states, rows and pictures; stopped on and off the intervals."""
    expected = train_uninterrupted(name)
    first, state = stopped(MODELS[name], tmp_path, stop_at)
    second = Watcher()
    resumed = build_trainer(MODELS[name], tmp_path, second)
    resumed.restore(state)
    resumed.run()
    assert differences(expected.state, resumed.state()) == []
    assert differences(expected.watcher.rows, first.rows + second.rows) == []
    assert differences(expected.watcher.snapshots, first.snapshots | second.snapshots) == []
    assert sorted(expected.watcher.snapshots) == [0, 192, 384]


def test_an_extended_training_equals_a_long_one(tmp_path: Path) -> None:
    """With train.schedule_images the weights do not depend on the length of the training."""
    model = MODELS["vanilla"]
    long = build_trainer(model, tmp_path / "long", Watcher(), log_images=64)
    long.run()
    for total in (128, 256, 384):
        state, _ = checkpoint.load_latest(tmp_path / "short")
        short = build_trainer(model, tmp_path / "short", Watcher(), total, log_images=64)
        if state:
            short.restore(state)
        short.run()
    assert differences(long.state(), short.state()) == []


@pytest.mark.parametrize(
    ("part", "name"),
    [
        *[
            (key, "vanilla")
            for key in (
                "step",
                "images_seen",
                "gan",
                "ema",
                "optimizers",
                "rng",
                "rng_cpu",
                "batches",
                "history",
                "term_means",
            )
        ],
        *[
            (f"gan.{key}", "vanilla")
            for key in (
                "lecam.average_real",
                "lecam.started",
                "augment.probability",
                "augment.image_count",
                "augment.updates",
            )
        ],
        ("gan.path_mean", "stylegan2"),
        ("gan.generator.w_average", "stylegan2"),
        ("batches.few", "sgan"),
        ("batches.drawing", "denoise"),
        ("batches.rng", "denoise"),
        ("batches.b", "pix2pix"),
        ("batches.a", "cyclegan"),
        ("gan.pool_a.images", "cyclegan"),
        ("gan.pool_b.count", "cyclegan"),
    ],
)
def test_every_part_of_a_checkpoint_matters(
    tmp_path: Path,
    train_uninterrupted: Callable[[str], Uninterrupted],
    stop_near_the_end: Callable[[str], checkpoint.State],
    part: str,
    name: str,
) -> None:
    """If one part is replaced by that of a new training, the comparison above fails, even after three steps."""
    state = stop_near_the_end(name)
    resumed = build_trainer(MODELS[name], tmp_path, Watcher())
    fresh: dict[str, Any] = resumed.state()
    section, _, key = part.partition(".")
    if key:
        state[section] = dict(state[section]) | {
            key: fresh[section][key].clone() if isinstance(fresh[section][key], Tensor) else fresh[section][key]
        }
    else:
        state[section] = fresh[section]
    resumed.restore(state)
    resumed.run()
    assert differences(train_uninterrupted(name).state, resumed.state()) != []


@pytest.mark.parametrize("name", ["vanilla", "denoise", "pix2pix", "cyclegan", "sgan"])
def test_training_resumes_from_a_checkpoint_of_another_device(tmp_path: Path, name: str) -> None:
    """train.device may change between two runs: the CPU continues with random numbers seeded from the checkpoint."""
    _, state = stopped(MODELS[name], tmp_path, 112)
    of_gpu = torch.arange(16, dtype=torch.uint8)  # as long as the state of a generator of a GPU
    state |= {"rng": of_gpu, "rng_cuda": [of_gpu]}
    states = []
    for _ in range(2):
        listener = Observer()
        resumed = build_trainer(MODELS[name], tmp_path, listener, total=160)
        resumed.restore(copy.deepcopy(state))  # optimizers use its tensors
        assert [message.split(".")[0] for message in listener.warnings] == [
            "the checkpoint at 112 images was written on another type of device than cpu"
        ]
        resumed.run()
        assert resumed.images_seen == 160
        states.append(resumed.state())
    assert differences(states[0], states[1]) == [], "the same checkpoint continues in the same way"
