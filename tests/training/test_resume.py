"""N + N steps equal 2N steps bit for bit, for every variant and every stabiliser with a state."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from pipeline.data.store import ItemSet, PairSet
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.gans.registry import ModelSettings, build
from pipeline.tasks.registry import TASKS
from pipeline.training import checkpoint
from pipeline.training.loop import Stopped, Trainer
from pipeline.training.settings import TrainSettings
from tests.observer import Watcher as Observer
from tests.specs import image_spec

CPU = torch.device("cpu")
ADA = {"policy": "ada", "probability": 0.2, "target": 0.6, "adapt_images": 1000}
FALLING = {"start": 0.3, "end": 0.0}
SMALL = {"latent": 4, "generator_channels": 8, "discriminator_channels": 8, "max_channels": 8}
TRANSLATING = {"generator_channels": 4, "discriminator_channels": 4, "discriminator_layers": 1}
RESTORING = {"generator_channels": 8, "blocks": 1, "kernel": 3, "discriminator_channels": 4}

MODELS: dict[str, dict[str, Any]] = {
    "vanilla": {
        "variant": "vanilla",
        "latent": 4,
        "hidden": [16],
        "penalties": {"r1": FALLING, "every": 3},
        "stabilisers": {
            "packing": 2,
            "lecam": 0.1,
            "spectral_norm": True,
            "instance_noise": FALLING,
            "top_k": {"start": 1, "end": 0.5},
            "augment": ADA,
        },
    },
    "vanilla clipped": {
        "variant": "vanilla",
        "latent": 4,
        "hidden": [16],
        "objective": "wgan",
        "critic_steps": 3,
        "penalties": {"clip": 0.05},
    },
    "dcgan": {
        "variant": "dcgan",
        **SMALL,
        "penalties": {"r1": 0.1, "r2": FALLING, "every": 2},
        "stabilisers": {"lecam": 0.1, "packing": 2, "minibatch_std": 4},
    },
    "dcgan relativistic": {
        "variant": "dcgan",
        **SMALL,
        "discriminator_norm": "none",
        "objective": "relativistic",
        "penalties": {"r1": 0.5, "r2": 0.5},
    },
    "dcgan residual": {
        "variant": "dcgan",
        **SMALL,
        "architecture": "residual",
        "objective": "hinge",
        "critic_steps": 2,
        "penalties": {"gp": 10, "every": 4},
        "stabilisers": {"spectral_norm": True, "augment": {"policy": "diffaugment", "probability": FALLING}},
    },
    "cgan": {
        "variant": "cgan",
        **SMALL,
        "label_width": 4,
        "penalties": {"r1": 0.1},
        "stabilisers": {"label_smoothing": 0.1, "lecam": 0.1, "augment": ADA},
    },
    "cgan concat": {
        "variant": "cgan",
        **SMALL,
        "conditioning": "concat",
        "discriminator_norm": "none",
        "penalties": {"dragan": 10},
    },
    "sgan": {
        "variant": "sgan",
        **SMALL,
        "labelled_per_class": 3,
        "penalties": {"r1": 0.1, "every": 2},
        "stabilisers": {"augment": ADA, "instance_noise": FALLING},
    },
    "r3gan": {
        "variant": "r3gan",
        **SMALL,
        "blocks": 1,
        "conditional": True,
        "stabilisers": {"top_k": FALLING | {"start": 1, "end": 0.5}, "augment": {"policy": "ada"}},
    },
    "stylegan2": {
        "variant": "stylegan2",
        **SMALL,
        "style_width": 4,
        "mapping_layers": 2,
        "path_length": {"weight": 2, "every": 3},
        "penalties": {"r1": 0.1, "every": 2},
        "stabilisers": {"minibatch_std": 4, "lecam": 0.1, "packing": 2, "augment": ADA},
    },
    "srgan": {"variant": "srgan", **RESTORING, "scale": 2, "generator_norm": "batch", "pretraining": 0.4},
    "denoise": {
        "variant": "denoise",
        **RESTORING,
        "pretraining": 0.1,
        "r1": 0.1,
        "noise": {"gaussian": [0, 50], "poisson": [5, 50], "jpeg": [20, 80]},
    },
    "pix2pix": {"variant": "pix2pix", **TRANSLATING},
    "cyclegan": {"variant": "cyclegan", **TRANSLATING, "blocks": 1, "pool": 20},
    "drit": {"variant": "drit", **TRANSLATING, "blocks": 1, "style": 2, "content_steps": 2},
}


class Bars(ArrayItems):
    """90 bright bars on black; the class is the column of the bar, one of four."""

    item = image_spec(8, 1, 4)

    def __init__(self) -> None:
        super().__init__(np.zeros((90, 8, 8, 1), dtype=np.uint8))
        self.labels = np.arange(90) % 4
        for k in range(90):
            self.array[k, :, k % 4 * 2] = 160 + k


def data(view: str) -> Any:
    """Return the bars as a view needs them: two columns as domains, or pairs of consecutive bars."""
    bars = Bars()
    if view not in ("paired", "domains"):
        return bars
    where = np.arange(45)
    common: dict[str, Any] = {
        "shard": np.zeros(45, np.int64),
        "names": [str(k) for k in range(45)],
        "fingerprint": "bars",
    }
    if view == "paired":
        wide = np.concatenate([bars.array[:45], bars.array[1:46]], axis=2)
        return PairSet(shards=[wide], row=where, labels=np.full(45, -1), item=image_spec(8, 1), partners=None, **common)
    return ItemSet(
        shards=[bars.array[bars.labels < 2]],
        row=where,
        labels=where % 2,
        item=image_spec(8, 1, ["left", "right"]),
        **common,
    )


class Watcher(Observer):
    """Fails on warnings: a resumed training has none."""

    def on_warning(self, message: str) -> None:
        pytest.fail(message)


def trainer(model: Mapping[str, Any], folder: Path, watcher: Observer, total: int = 384, **more: object) -> Trainer:
    """Return a trainer of 24 steps; rows, pictures and checkpoints fall on different steps."""
    values = {
        "learning_rate": {"generator": {"start": 2e-3, "end": 2e-4}, "discriminator": 1e-3},
        "beta2": {"start": 0.9, "end": 0.99},
        "ema_half_life": {"start": 0, "end": 200},
        "batch_size": 16,
        "total_images": total,
        "schedule_images": 384,
        "log_images": 80,
        "snapshot_images": 192,
        "checkpoint_images": 128,
        "flips": True,
    }
    train = TrainSettings.model_validate(values | more)
    torch.manual_seed(train.seed)
    settings: ModelSettings = TypeAdapter(ModelSettings).validate_python(model)
    gan = build(settings, image_spec(8, 1, 4))
    batches = TASKS[gan.task].open_view(gan.view, data(gan.view.name), CPU, train.seed, flips=train.flips)
    examples = TASKS[gan.task].examples(gan, data(gan.view.name), CPU, 5)
    return Trainer(
        gan,
        batches,
        train,
        device=CPU,
        folder=folder,
        observer=watcher,
        stop=watcher.stop,
        preview_samples=4,
        examples=examples,
    )


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
        trainer(model, folder, watcher).run()
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
        training = trainer(MODELS[name], tmp_path_factory.mktemp("uninterrupted"), watcher)
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
    resumed = trainer(MODELS[name], tmp_path, second)
    resumed.restore(state)
    resumed.run()
    assert differences(expected.state, resumed.state()) == []
    assert differences(expected.watcher.rows, first.rows + second.rows) == []
    assert differences(expected.watcher.snapshots, first.snapshots | second.snapshots) == []
    assert sorted(expected.watcher.snapshots) == [0, 192, 384]


def test_an_extended_training_equals_a_long_one(tmp_path: Path) -> None:
    """With train.schedule_images the weights do not depend on the length of the training."""
    model = MODELS["vanilla"]
    long = trainer(model, tmp_path / "long", Watcher(), log_images=64)
    long.run()
    for total in (128, 256, 384):
        state, _ = checkpoint.load_latest(tmp_path / "short")
        short = trainer(model, tmp_path / "short", Watcher(), total, log_images=64)
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
    resumed = trainer(MODELS[name], tmp_path, Watcher())
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


def from_another_device(value: Any, key: str = "") -> Any:
    """Return a state in which generators of the training's device have CUDA's 16 bytes, as on a GPU."""
    if isinstance(value, dict):
        return {name: from_another_device(part, name) for name, part in value.items()}
    return torch.arange(16, dtype=torch.uint8) if key == "rng" else value


@pytest.mark.parametrize("name", ["vanilla", "denoise", "pix2pix", "cyclegan", "sgan"])
def test_training_resumes_from_a_checkpoint_of_another_device(tmp_path: Path, name: str) -> None:
    """train.device may change between two runs: the CPU continues with random numbers seeded from the checkpoint."""
    _, state = stopped(MODELS[name], tmp_path, 112)
    state = from_another_device(state) | {"rng_cuda": [torch.arange(16, dtype=torch.uint8)]}
    states = []
    for _ in range(2):
        listener = Observer()
        resumed = trainer(MODELS[name], tmp_path, listener, total=160)
        resumed.restore(copy.deepcopy(state))  # optimizers use its tensors
        assert [message.split(".")[0] for message in listener.warnings] == [
            "the checkpoint at 112 images was written on another type of device than cpu"
        ]
        resumed.run()
        assert resumed.images_seen == 160
        states.append(resumed.state())
    assert differences(states[0], states[1]) == [], "the same checkpoint continues in the same way"
