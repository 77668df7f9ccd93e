"""Trainings of every variant, and every stabiliser with a state, that take about a second."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter

from pipeline import processes
from pipeline.data.store import ItemSet, PairSet
from pipeline.data.worker_shards import WorkerData, divide
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.gans.base import View
from pipeline.gans.registry import ModelSettings, build
from pipeline.items import ItemSpec
from pipeline.stages.worker_data import join_sets
from pipeline.tasks.registry import TASKS
from pipeline.training.loop import Trainer
from pipeline.training.settings import TrainSettings
from tests.captioned import captioned_items
from tests.observer import Watcher
from tests.specs import image_spec

CPU = torch.device("cpu")
PIXELS = image_spec(8, 1, 4)
VOXELS = ItemSpec(
    medium="volume", height=8, width=8, channels=8, classes=("0", "1", "2", "3"), details={"values": "occupancy"}
)
FRAMES = ItemSpec(medium="video", height=8, width=8, channels=6, details={"frames": 6, "colours": 1})
WAVES = ItemSpec(
    medium="audio",
    height=1,
    width=64,
    channels=1,
    dtype="int16",
    details={"sample_rate": 8000, "window": 16, "hop": 8, "mels": 4, "low_hz": 0, "high_hz": 4000, "floor_db": -80},
)
PIECES = ItemSpec(
    medium="music", height=4, width=7, channels=1, symbols=14, classes=("0", "1", "2", "3"), details={"lowest": 59}
)
ROLLS = PIECES.model_copy(
    update={
        "width": 7,
        "channels": 2,
        "symbols": 3,
        "details": {"lowest": 60, "tracks": ["drums", "piano"], "onsets": True},
    }
)
CAPTIONED = captioned_items(90)
STORED = {
    "voxgan": VOXELS,
    "nextframe": FRAMES,
    "mocogan": FRAMES,
    "segan": WAVES,
    "hifigan": WAVES,
    "wavegan": WAVES.model_copy(update={"classes": ("0", "1", "2", "3")}),
    "musegan": PIECES,
    "accompaniment": ROLLS,
    "dfgan": CAPTIONED.item,
}
"""Items of variants that need other ones than images."""
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
    "mdgan": {
        "variant": "mdgan",
        **SMALL,
        "workers": 4,
        "batches": 2,
        "critic_steps": 2,
        "penalties": {"r1": 0.1, "r2": FALLING, "every": 2},
        "stabilisers": {"label_smoothing": 0.1, "minibatch_std": 2},
    },
    "mdgan by class": {
        "variant": "mdgan",
        **SMALL,
        "workers": 2,
        "split": "classes",
        "objective": "relativistic",
        "discriminator_norm": "none",
        "penalties": {"r1": 0.1},
        "stabilisers": {"spectral_norm": True},
    },
    "mdgan own": {
        "variant": "mdgan",
        **SMALL,
        "workers": 4,
        "split": "own",
        "batches": 2,
        "critic_steps": 2,
        "penalties": {"r1": 0.1, "every": 2},
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
    "stylegan2 conditional": {
        "variant": "stylegan2",
        **SMALL,
        "conditional": True,
        "style_width": 4,
        "mapping_layers": 2,
        "path_length": {"weight": 2, "every": 3},
        "penalties": {"r1": 0.1, "every": 2},
    },
    "voxgan": {
        "variant": "voxgan",
        **SMALL,
        "label_width": 4,
        "stabilisers": {"minibatch_std": 4, "lecam": 0.1, "instance_noise": FALLING},
    },
    "mocogan": {
        "variant": "mocogan",
        "latent": 4,
        "motion": 2,
        "state": 4,
        "generator_channels": 4,
        "image_channels": 4,
        "video_channels": 4,
        "stabilisers": {"minibatch_std": 4, "lecam": 0.1, "instance_noise": FALLING},
    },
    "nextframe": {
        "variant": "nextframe",
        "past": 2,
        "ahead": 2,
        "generator_channels": 4,
        "blocks": 1,
        "discriminator_channels": 4,
        "pretraining": 0.4,
    },
    "dfgan": {
        "variant": "dfgan",
        **SMALL,
        "text_width": 4,
        "penalties": {"r1": 0.1, "every": 2},
        "stabilisers": {"minibatch_std": 4, "lecam": 0.1, "augment": {"policy": "diffaugment"}},
    },
    "musegan": {
        "variant": "musegan",
        "latent": 4,
        "shared": 8,
        "private": 4,
        "depth": 1,
        "conditional": True,
        "stabilisers": {"minibatch_std": 4},
    },
    "accompaniment": {
        "variant": "accompaniment",
        "latent": 4,
        "shared": 8,
        "private": 4,
        "depth": 1,
        "voices": "in_turn",
        "choice": "gumbel",
        "penalties": {"r1": 0.1, "r2": FALLING, "every": 2},
        "stabilisers": {"minibatch_std": 4, "lecam": 0.1},
    },
    "musegan temporal": {
        "variant": "musegan",
        "latent": 4,
        "shared": 8,
        "private": 4,
        "depth": 1,
        "networks": "temporal",
        "voices": "in_turn",
        "choice": "gumbel",
        "pretraining": 0.3,
        "likelihood": FALLING,
        "penalties": {"r1": FALLING, "r2": FALLING, "every": 2},
    },
    "wavegan": {
        "variant": "wavegan",
        "latent": 4,
        "generator_channels": 2,
        "discriminator_channels": 2,
        "max_channels": 4,
        "kernel": 5,
        "critic_steps": 2,
    },
    "wavegan relativistic": {
        "variant": "wavegan",
        "latent": 4,
        "generator_channels": 2,
        "discriminator_channels": 2,
        "max_channels": 4,
        "kernel": 5,
        "objective": "relativistic",
        "critic_steps": 1,
        "penalties": {"r1": 0.5, "r2": 0.5, "gp": 0, "every": 2},
        "stabilisers": {"minibatch_std": 4},
    },
    "segan": {
        "variant": "segan",
        "networks": "spectrum",
        "window": 16,
        "generator_channels": 4,
        "discriminator_channels": 2,
        "layers": 2,
        "stride": 4,
        "kernel": 5,
        "weights": {"si_sdr": 1},
    },
    "hifigan": {
        "variant": "hifigan",
        "rates": [4],
        "column_blocks": 1,
        "generator_channels": 4,
        "weights": {"spectrum": 1},
        "discriminator_channels": 2,
        "periods": [2],
        "scales": 1,
        "adversarial_start": 0.4,
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
    "stargan": {
        "variant": "stargan",
        "latent": 3,
        "style": 3,
        "generator_channels": 4,
        "downsamplings": 1,
        "blocks": 1,
        "discriminator_channels": 4,
        "style_channels": 4,
        "mapping_width": 8,
        "max_channels": 8,
        "weights": {"diversity": FALLING},
    },
}


class Bars(ArrayItems):
    """90 bright bars on black; the class is the column of the bar, one of four. With more channels they are walls."""

    def __init__(self, item: ItemSpec = PIXELS) -> None:
        super().__init__(np.zeros((90, *item.shape), dtype=np.dtype(item.dtype)))
        self.item = item
        self.labels = np.arange(90) % 4
        for k in range(90):
            self.array[k, :, k % 4 * 2] = (160 + k) % (item.symbols or 256)


def bars_for(wanted: View, item: ItemSpec) -> Any:
    """Return the bars as a view needs them: two columns as domains, pairs of consecutive bars, or those of workers."""
    bars, view = Bars(item), wanted.name
    if wanted.options.get("split") == "own":
        return bars_of_workers(bars, wanted.options["workers"])
    if view == "captioned":
        return CAPTIONED
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


def bars_of_workers(bars: Bars, workers: int) -> WorkerData:
    """Return the bars of the workers of this process; each worker has some of the columns."""
    sets = {
        number: ItemSet(
            shards=[bars.array[shard]],
            shard=np.zeros(len(shard), np.int64),
            row=np.arange(len(shard)),
            labels=bars.labels[shard],
            names=[str(k) for k in shard],
            item=bars.item,
            fingerprint="bars",
        )
        for number, shard in enumerate(divide(bars, workers, "classes", 0))
        if processes.home_of_worker(number) == processes.rank()
    }
    return join_sets(sets, bars.item, "bars", len(bars))


def build_trainer(
    model: Mapping[str, Any],
    folder: Path,
    watcher: Watcher,
    total: int = 384,
    device: torch.device = CPU,
    **more: object,
) -> Trainer:
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
        "flips": STORED.get(model["variant"], PIXELS).medium not in ("audio", "music"),
    }
    train = TrainSettings.model_validate(values | more)
    torch.manual_seed(train.seed)
    settings: ModelSettings = TypeAdapter(ModelSettings).validate_python(model)
    item = STORED.get(settings.variant, PIXELS)
    gan = build(settings, item)
    bars = bars_for(gan.view, item)
    batches = TASKS[gan.task].open_view(gan.view, bars, device, train.seed, flips=train.flips)
    examples = TASKS[gan.task].examples(gan, bars, device, 5)
    return Trainer(
        gan,
        batches,
        train,
        device=device,
        folder=folder,
        observer=watcher,
        stop=watcher.stop,
        preview_samples=4,
        examples=examples,
        items=90,
    )
