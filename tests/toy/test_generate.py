"""The task "generate" evaluates a medium that is not an image: categories of 16 bits, 6 x 10 x 2, with two classes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pipeline import params
from pipeline.errors import InputError
from pipeline.gans.base import Batch, Loss, Progress, View
from pipeline.gans.registry import VARIANTS, Variant
from pipeline.media.registry import MEDIA
from pipeline.stages import evaluate, export, ingest, train, validate
from pipeline.stages.commands import champion_comparison
from pipeline.stages.paths import Paths
from tests.toy.toy import Letters, Toy, ToySettings

ROOT = Path(__file__).parents[2]

PARAMS = """
data: {medium: letters, source: data/raw, watch: data/raw, test_fraction: 0.3}
validate: {min_images: {limit: 64, severity: critical}}
model: {variant: scribe}
train: {device: cpu, batch_size: 32, total_images: 3200, log_images: 320, snapshot_images: 1600,
  checkpoint_images: 1600, ema_half_life: 100, health: {images: 1600, samples: 64},
  learning_rate: {generator: 0.02, discriminator: 0.02}}
evaluate: {samples: 200}
export: {opset: 20, allow_failed: true}
promote: {floors: {recall: null}}
tracking: {experiment: scribe, model: scribe}
"""


class ScribeSettings(ToySettings):
    """The toy variant, for the task "generate"."""

    task: ClassVar[str] = "generate"
    variant: Literal["scribe"] = "scribe"  # type: ignore[assignment]


class Scribe(Toy):
    """The mean shares of the letters approach those of the data."""

    task = "generate"
    view = View("unlabelled")

    def loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        output = self.generator(torch.randn(len(batch["item"]), self.latent, generator=rng, device=rng.device))
        total = F.mse_loss(output.mean(0), batch["item"].mean(0))
        return Loss(total, {"loss_generator": total.detach()})

    def selection_metric(self, progress: Progress) -> str:
        return "fid"


@pytest.fixture
def project(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(empty_store, tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setitem(MEDIA, "letters", Letters())
    monkeypatch.setitem(VARIANTS, "scribe", Variant(ScribeSettings, "tests.toy.test_generate:Scribe"))
    rng = np.random.default_rng(0)
    for name, shares in (("a-heavy", [0.6, 0.1, 0.1, 0.1, 0.1]), ("e-heavy", [0.1, 0.1, 0.1, 0.1, 0.6])):
        folder = tmp_path / "data" / "raw" / name
        folder.mkdir(parents=True)
        for number in range(300):
            lines = ["".join(rng.choice(list("abcde"), 10, p=shares)) for _ in range(12)]
            (folder / f"{number:03d}.letters").write_text("\n".join(lines))
    (tmp_path / "params.yaml").write_text(PARAMS)
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, tmp_path)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.slow
def test_samples_of_another_medium_are_measured_reported_and_compared(project: Path) -> None:
    for stage in (ingest, validate, train, evaluate, export):
        stage.run(project)
    trained = json.loads((project / "metrics" / "train.json").read_text())
    assert trained["health_fid"] > 0
    found = json.loads((project / "metrics" / "evaluation.json").read_text())
    assert (found["medium"], found["features"], found["modes_total"]) == ("letters", "classifier", 2)
    assert found["classifier_accuracy"] > 0.95
    assert "uint16=argmax" in found["protocol"]
    assert all(isinstance(found[name], float) for name in ("fid", "kid", "recall", "vendi_ratio", "copies_pixels"))
    assert not {"brightness", "sharpness"} & set(found), "measures of images"
    assert "data:image/png;base64," in (project / "reports" / "evaluation.html").read_text()
    card = (project / "exported" / "model_card.md").read_text()
    assert "A generative adversarial network that generates texts of 6 x 10" in card
    assert "values = blocks.reshape((-1, 2, 5, *blocks.shape[2:])).argmax(axis=2).astype(np.uint16)" in card

    paths = Paths(project)
    both = champion_comparison.compare_with(paths.generator, "1", paths, params.load(paths.params))
    assert {name: (one.difference, one.verdict) for name, one in both.measures.items()} == {
        "fid": (0.0, "equal"),
        "kid": (0.0, "equal"),
    }
    assert both.challenger_diversity == both.champion_diversity
    assert both.challenger_diversity.keys() == {"modes_covered", "recall", "coverage", "vendi_ratio"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            "model: {variant: vanilla}\ntrain: {flips: true}",
            "train.flips: a mirrored text is not a plausible text; set it to false",
        ),
        (
            "model: {variant: vanilla, stabilisers: {augment: {policy: ada}}}",
            "model.stabilisers.augment.policy: ada does not suit texts; choose one of none",
        ),
    ],
)
def test_augmentation_that_does_not_suit_the_medium_is_refused(
    monkeypatch: pytest.MonkeyPatch, keys: str, words: str
) -> None:
    monkeypatch.setitem(MEDIA, "letters", Letters())
    with pytest.raises(InputError, match=words):
        params.parse(f"data: {{medium: letters}}\n{keys}\n", "params.yaml")
