"""All stages of every variant run on a CUDA device that is pretended."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.gans.registry import VARIANTS, network_class
from pipeline.media.registry import MEDIA
from pipeline.stages.commands import features
from pipeline.tasks.registry import TASKS
from pipeline.training import model_files
from tests.all_stages import all_stages
from tests.media.music.midi_files import write_songs
from tests.pretended_cuda import pretend

SMALL = {"generator_channels": 8, "discriminator_channels": 8}
NETWORKS: dict[str, dict[str, Any]] = {
    "vanilla": {"latent": 8, "hidden": [16]},
    "dcgan": {"latent": 8, **SMALL},
    "cgan": {"latent": 8, **SMALL},
    "sgan": {"latent": 8, **SMALL},
    "r3gan": {"latent": 8, **SMALL, "blocks": 1},
    "srgan": {**SMALL, "scale": 2, "blocks": 1, "kernel": 3, "pretraining": 0.5},
    "denoise": {**SMALL, "blocks": 1, "kernel": 3, "pretraining": 0.5},
    "pix2pix": {**SMALL, "discriminator_layers": 1},
    "cyclegan": {**SMALL, "discriminator_layers": 1, "blocks": 1},
    "drit": {**SMALL, "discriminator_layers": 1, "blocks": 1, "style": 2},
    "mdgan": {"latent": 8, **SMALL, "workers": 2},
    "dfgan": {"latent": 8, **SMALL, "text_width": 8, "text_steps": 5},
    "musegan": {"latent": 8, "shared": 16, "private": 8},
    "wavegan": {"latent": 8, "generator_channels": 2, "discriminator_channels": 2, "kernel": 9, "critic_steps": 1},
    "segan": {"networks": "spectrum", "window": 64, "generator_channels": 8, "discriminator_channels": 2, "layers": 2},
    "hifigan": {"rates": [8, 8, 2], "generator_channels": 8, "discriminator_channels": 2, "periods": [2], "scales": 1},
    "voxgan": {"latent": 8, **SMALL},
    "nextframe": {**SMALL, "blocks": 1, "past": 2, "ahead": 2},
    "stylegan2": {"latent": 8, **SMALL, "style_width": 8, "mapping_layers": 1},
    "mocogan": {
        "latent": 4,
        "motion": 2,
        "state": 4,
        "generator_channels": 4,
        "image_channels": 4,
        "video_channels": 4,
    },
    "accompaniment": {"latent": 4, "shared": 8, "private": 8, "depth": 1},
    "stargan": {**SMALL, "style_channels": 8, "blocks": 1, "style": 2, "latent": 2, "mapping_width": 8},
}
WAVES = {"medium": "audio", "representation": "wave", "seconds": 0.128, "mels": 16, "limit": 60}
CLIPS = {"medium": "video", "source": "moving-digits", "resolution": 16, "frames": 6, "limit": 20}
SONGS = {
    "medium": "music",
    "source": "data/raw",
    "tracks": ["piano", "drums"],
    "onsets": True,
    "steps": 4,
    "pitches": [36, 71],
}
IMAGES = {"source": "data/raw", "resolution": 16, "channels": "rgb"}
DATA: dict[str, dict[str, Any]] = {
    "dfgan": {"source": "captioned-digits", "channels": "rgb", "background": "#000000", "limit": 60},
    "musegan": {"medium": "music", "source": "chord-grammar", "steps": 8, "pitches": [41, 79], "limit": 60},
    "wavegan": WAVES,
    "segan": WAVES,
    "hifigan": WAVES,
    "voxgan": {"medium": "volume", "limit": 30},
    "nextframe": CLIPS,
    "mocogan": CLIPS,
    "accompaniment": SONGS,
}
"""Data of variants that need other ones than IMAGES."""
IN_MAKE_TEST = ("dcgan", "pix2pix", "srgan")
WITH_CLASSES = ("cgan", "sgan", "cyclegan", "drit", "stargan")


def write_images(raw: Path, variant: str) -> None:
    """Write 60 images: of two classes, pairs for pix2pix, or without labels, which is faster to evaluate."""
    rng = np.random.default_rng(0)
    for number in range(60):
        bright = number % 2
        pixels = rng.normal(90 + 80 * bright, 40, (16, 32 if variant == "pix2pix" else 16, 3))
        path = raw / (("dark", "bright")[bright] if variant in WITH_CLASSES else "") / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def write_params(root: Path, variant: str) -> None:
    """Write the parameters of a training of four steps on CUDA, with a gate that is off."""
    data = DATA.get(variant, IMAGES)
    gate = TASKS[network_class(variant).task].gate(MEDIA[data.get("medium", "image")]).model_fields
    off = {name: field.default if name == "significance" else None for name, field in gate.items()}
    train = {"device": "cuda", "batch_size": 4, "total_images": 16, "log_images": 8, "snapshot_images": 16}
    params = {
        "data": data | ({"pairs": "halves"} if variant == "pix2pix" else {}),
        "validate": {"min_images": {"limit": 10, "severity": "critical"}},
        "model": {"variant": variant, **NETWORKS[variant]},
        "train": train | {"checkpoint_images": 16, "health": {"images": 8, "samples": 64}},
        "evaluate": {"samples": 50, "features": "random", "gate": off},
        "tracking": {"experiment": "cuda", "model": f"cuda-{variant}"},
    }
    (root / "params.yaml").write_text(json.dumps(params))


def test_every_variant_has_a_line() -> None:
    assert set(NETWORKS) == set(VARIANTS)


@pytest.mark.parametrize(
    "variant",
    [pytest.param(name, marks=[] if name in IN_MAKE_TEST else [pytest.mark.slow]) for name in NETWORKS],
)
def test_all_stages_run_on_the_device(tmp_path: Path, empty_store: Path, variant: str) -> None:
    shutil.copy(empty_store, tmp_path)
    if variant == "accompaniment":
        write_songs(tmp_path / "data" / "raw", 24)
    elif variant not in DATA:
        write_images(tmp_path / "data" / "raw", variant)
    write_params(tmp_path, variant)
    with pretend() as gpu, all_stages(tmp_path):
        trained = json.loads((tmp_path / "metrics" / "train.json").read_text())
        assert trained["device"] == "cuda"
        assert gpu.kernels.total() > 1000
        evaluated = json.loads((tmp_path / "metrics" / "evaluation.json").read_text())
        assert evaluated["verdict"] == "pass", evaluated["reasons"]
        gan, _ = model_files.load(tmp_path / "models", discriminators=True)
        if gan.trunk() is not None:
            features.run(tmp_path)
    exported = json.loads((tmp_path / "metrics" / "export.json").read_text())
    assert exported["parity_max_abs"] < 1e-4
