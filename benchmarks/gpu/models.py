"""The models of the benchmark, and their batches of random images on the device."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.gpu.machine import Machine
from pipeline.gans.base import GAN, Batch
from pipeline.gans.registry import build, parse_settings
from pipeline.items import ItemSpec
from pipeline.training.loop import Trainer
from pipeline.training.protocols import Row
from pipeline.training.settings import TrainSettings

CLASSES = 10
IMAGES = 2048
"""Images that batches are drawn from."""


class Model(NamedTuple):
    """Settings of a variant, its side in pixels, and the batch size."""

    settings: Mapping[str, Any]
    side: int
    batch: int


LAZY_R1 = {"r1": 0.1, "every": 16}
SMALLEST = {"latent": 8, "generator_channels": 8, "discriminator_channels": 8, "max_channels": 8}

MODELS = {
    "dcgan-32": Model({"variant": "dcgan", "penalties": LAZY_R1}, 32, 64),
    "dcgan-64": Model({"variant": "dcgan", "penalties": LAZY_R1}, 64, 64),
    "stylegan2-64": Model({"variant": "stylegan2"}, 64, 32),
    "r3gan-32": Model({"variant": "r3gan"}, 32, 64),
    "srgan-64": Model({"variant": "srgan", "pretraining": 0.0}, 64, 16),
}
"""Sizes of the variants' defaults."""

SMALL: Mapping[str, Mapping[str, Any]] = {
    "stylegan2": SMALLEST | {"style_width": 8, "mapping_layers": 2},
    "srgan": {"generator_channels": 8, "blocks": 1, "discriminator_channels": 4},
    "r3gan": SMALLEST | {"blocks": 1},
}
"""Settings for a run that only shows that everything runs, by variant."""


class Silent:
    """A training observer that keeps messages."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def on_step(self, images_seen: int) -> None: ...

    def on_row(self, row: Row) -> None: ...

    def on_snapshot(self, images_seen: int, images: Tensor) -> None: ...

    def on_note(self, message: str) -> None:
        self.notes.append(message)

    def on_warning(self, message: str) -> None:
        self.warnings.append(message)


class RandomImages:
    """Batches of all views that the models need, drawn on the device. The draw belongs to the state of a training."""

    def __init__(self, device: torch.device, side: int, scale: int) -> None:
        rng = torch.Generator(device).manual_seed(0)
        self.scale = scale
        self.images = torch.randint(0, 256, (IMAGES, 3, side, side), generator=rng, device=device, dtype=torch.uint8)
        self.labels = torch.randint(CLASSES, (IMAGES,), generator=rng, device=device)
        self.rng = torch.Generator(device).manual_seed(1)

    def next(self, n: int) -> Batch:
        """Return `n` images, their labels, and the images in a smaller size."""
        chosen = torch.randint(IMAGES, (n,), generator=self.rng, device=self.images.device)
        images = self.images[chosen].float() / 127.5 - 1
        if self.scale > 1:
            return {"input": F.avg_pool2d(images, self.scale), "target": images}
        return {"item": images, "label": self.labels[chosen]}

    def state(self) -> dict[str, object]:
        """Return the state of the draw."""
        return {"rng": self.rng.get_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.rng.set_state(state["rng"])


def build_model(machine: Machine, name: str) -> GAN:
    """Return a model with fresh weights, the same ones every time."""
    model = MODELS[name]
    values = {**model.settings, **(SMALL.get(model.settings["variant"], SMALLEST) if machine.small else {})}
    torch.manual_seed(0)
    return build(parse_settings(values), ItemSpec(height=model.side, width=model.side, channels=3))


def batch_size(machine: Machine, name: str) -> int:
    """Return the batch size of a model."""
    return 4 if machine.small else MODELS[name].batch


def build_batches(machine: Machine, name: str, gan: GAN) -> RandomImages:
    """Return the batches of a model."""
    return RandomImages(machine.device, MODELS[name].side, gan.scale)


def build_trainer(machine: Machine, name: str, observer: Silent, **train: Any) -> Trainer:
    """Return a trainer as `ganline train` builds it, without health checks; `train` replaces settings."""
    gan = build_model(machine, name)
    values = {"batch_size": batch_size(machine, name), "total_images": 10**9, "health": None, "graphs": "off"} | train
    folder = machine.folder / f"{name}-{len(os.listdir(machine.folder))}"
    folder.mkdir()
    return Trainer(
        gan,
        build_batches(machine, name, gan),
        TrainSettings.model_validate(values),
        device=machine.device,
        folder=folder,
        observer=observer,
        preview_samples=4,
        items=IMAGES,
    )
