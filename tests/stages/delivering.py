"""Small projects with untrained image-to-image models, which can be changed, evaluated and exported again."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline import params
from pipeline.data.store import DatasetInfo, open_split
from pipeline.gans.registry import build
from pipeline.media.registry import MEDIA
from pipeline.promotion.aliases import Registry
from pipeline.stages import evaluate, export, ingest, validate
from pipeline.stages.commands import champion_comparison
from pipeline.stages.paths import Paths
from pipeline.tasks.registry import TASKS
from pipeline.tracking import tracked_run
from pipeline.tracking.mlflow_store import address, connect
from pipeline.training import model_files
from pipeline.training.model_files import ModelConfig

TRANSLATOR = "generator_channels: 4, discriminator_channels: 4, discriminator_layers: 1"
RESTORER = "generator_channels: 4, blocks: 1, kernel: 3, discriminator_channels: 4, pretraining: 1"
RESTORING = ", ".join(f"{name}: null" for name in TASKS["restore"].gate(MEDIA["image"]).model_fields)
TRANSLATING = ", ".join(f"{name}: null" for name in TASKS["translate"].gate(MEDIA["image"]).model_fields)
MODELS = {
    "denoise": ("fit: keep", f"{RESTORER}, noise: {{gaussian: [20, 30], poisson: null, jpeg: null}}", RESTORING),
    "pix2pix": ("pairs: halves", TRANSLATOR, TRANSLATING),
    "cyclegan": ("classes: [sun, rain]", f"{TRANSLATOR}, blocks: 1", TRANSLATING),
}
PARAMS = """
data: {{source: data/raw, resolution: 16, channels: rgb, test_fraction: 0.4, {data}}}
validate: {{min_images: {{limit: 8, severity: critical}}, min_per_class: {{limit: 8, severity: critical}}}}
model: {{variant: {variant}, {model}}}
train: {{device: cpu}}
evaluate: {{samples: 1000, seed: {seed}, gate: {{{gate}}}}}
promote: {promote}
export: {{opset: 20}}
tracking: {{experiment: tests, model: tests}}
"""


@dataclass(frozen=True)
class Project:
    root: Path
    variant: str

    @property
    def registry(self) -> Registry:
        return Registry(connect(address(self.root)), "tests")

    def set(self, promote: str = "{diversity: null}", seed: int = 0) -> None:
        data, settings, gate = MODELS[self.variant]
        text = PARAMS.format(variant=self.variant, data=data, model=settings, gate=gate, promote=promote, seed=seed)
        (self.root / "params.yaml").write_text(text)

    def save(self, factor: float) -> None:
        """Save an untrained model with its weights multiplied by `factor`."""
        paths, loaded = Paths(self.root), params.load(self.root / "params.yaml")
        info, train = DatasetInfo.read(paths.dataset), open_split(paths.dataset, paths.validated, "train")
        config = ModelConfig(
            model=loaded.model,
            item=info.item,
            dataset_source="data/raw",
            dataset_fingerprint=train.fingerprint,
            images_seen=0,
        )
        torch.manual_seed(0)
        gan = build(config.model, config.item)
        with torch.no_grad():
            for name in gan.ema_networks:
                for weight in gan.get_submodule(name).parameters():
                    weight.mul_(factor)
        model_files.save(gan, config, self.root / "models")

    def deliver(self, factor: float) -> None:
        self.save(factor)
        evaluate.run(self.root)
        export.run(self.root)


def project(root: Path, variant: str) -> Project:
    """Create a project with 60 images of waves; the second domain is darker."""
    root.mkdir(exist_ok=True)
    made, rng = Project(root, variant), np.random.default_rng(0)
    made.set()
    for number in range(60):
        y, x = np.mgrid[:16, :16]
        phase, period = rng.uniform(0, 6), rng.uniform(2, 8)
        waves = (
            140 + 60 * np.sin(x / period + phase)[:, :, None] * np.cos(y / 3)[:, :, None] + rng.normal(0, 20, (1, 1, 3))
        )
        if variant == "denoise":
            save(root / f"data/raw/{number:02d}.png", np.kron(waves, np.ones((3, 3, 1))))
        elif variant == "pix2pix":
            save(root / f"data/raw/{number:02d}.png", np.concatenate([waves, 255 - waves], axis=1))
        else:
            save(root / f"data/raw/sun/{number:02d}.png", waves)
            save(root / f"data/raw/rain/{number:02d}.png", 0.5 * waves.swapaxes(0, 1))
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=root, check=True)
    (root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    ingest.run(root)
    validate.run(root)
    (root / "models").mkdir()
    with tracked_run.start(params.load(root / "params.yaml").tracking, root) as run:
        (root / "models" / "run.json").write_text(json.dumps(run.describe()))
    return made


def save(path: Path, pixels: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def evaluate_networks_and_graphs(root: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Return the measurements of a model's networks, from the evaluate stage, and those of its graphs."""
    paths = Paths(root)
    loaded = params.load(paths.params)
    against = champion_comparison.compare_with(paths.generator, "1", paths, loaded)
    before = json.loads(paths.evaluation_metrics.read_text())
    assert against.challenger["protocol"] == before["protocol"]
    assert all(found.difference == 0 for found in against.measures.values())
    networks, graphs = (
        {name: value for name, value in one.items() if name != "seconds" and isinstance(value, int | float)}
        for one in (before, against.challenger)
    )
    return networks, graphs
