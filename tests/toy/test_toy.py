"""All stages with a medium, a task and a variant that are defined outside of the package."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from pipeline.errors import GateRefused
from pipeline.gans.registry import VARIANTS, Variant
from pipeline.media.registry import MEDIA
from pipeline.serving.http.application import create_app
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from pipeline.serving.settings import ServeSettings
from pipeline.stages import evaluate, export, ingest, train, validate
from pipeline.stages.commands import promote
from pipeline.tasks.registry import TASKS
from tests.toy.toy import CountTask, Letters, ToySettings, shares

ROOT = Path(__file__).parents[2]

PARAMS = """
data: {{medium: letters, source: data/raw, watch: data/raw, test_fraction: 0.3}}
validate: {{min_images: {{limit: 64, severity: critical}}}}
model: {{variant: toy}}
train: {{device: cpu, seed: {seed}, batch_size: 32, total_images: 3200, log_images: 320, snapshot_images: 1600,
  checkpoint_images: 1600, ema_half_life: 100, health: {{images: 640}},
  learning_rate: {{generator: 0.02, discriminator: 0.02}}}}
evaluate: {{samples: 200, gate: {{share_error: {bound}}}}}
export: {{opset: 20}}
tracking: {{experiment: toy, model: toy}}
"""


def register(patch: pytest.MonkeyPatch) -> None:
    """Register the medium, the task and the variant, and use the project's own store."""
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    patch.setitem(MEDIA, "letters", Letters())
    patch.setitem(TASKS, "count", CountTask())
    patch.setitem(VARIANTS, "toy", Variant(ToySettings, "tests.toy.toy:Toy"))


@pytest.fixture(scope="module")
def trained(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project after the stages ingest, validate and train."""
    root = tmp_path_factory.mktemp("toy") / "project"
    raw = root / "data" / "raw"
    raw.mkdir(parents=True)
    shutil.copy(empty_store, root)
    rng = np.random.default_rng(0)
    for number in range(200):
        lines = ["".join(rng.choice(list("abcde"), 10, p=[0.6, 0.1, 0.1, 0.1, 0.1])) for _ in range(12)]
        (raw / f"{number:03d}.letters").write_text("\n".join(lines))
    (raw / "bad.letters").write_text("xyz")
    set_params(root)
    shutil.copytree(ROOT / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=root, check=True)
    with pytest.MonkeyPatch.context() as patch:
        register(patch)
        for stage in (ingest, validate, train):
            stage.run(root)
    return root


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    register(monkeypatch)
    shutil.copytree(trained, tmp_path / "project")
    return tmp_path / "project"


def set_params(root: Path, bound: float = 0.5, seed: int = 0) -> None:
    (root / "params.yaml").write_text(PARAMS.format(bound=bound, seed=seed))


def commit(root: Path) -> None:
    """Let DVC record what the stages wrote, as `dvc repro` does."""
    subprocess.run([sys.executable, "-m", "dvc", "commit", "--force", "--quiet"], cwd=root, check=True)


def metrics(root: Path, name: str) -> Any:
    return json.loads((root / "metrics" / f"{name}.json").read_text())


def test_all_stages_run_with_a_new_medium_task_and_variant(project: Path) -> None:
    for stage in (evaluate, export):
        stage.run(project)
    dataset = json.loads((project / "data" / "dataset" / "dataset.json").read_text())
    assert (dataset["item"]["dtype"], dataset["item"]["symbols"], dataset["images"]) == ("uint16", 5, 200)
    assert "bad.letters" in (project / "data" / "validated" / "quarantine.csv").read_text()
    assert list((project / "reports" / "samples").glob("*.png"))
    assert "health_share_error" in metrics(project, "train")
    assert metrics(project, "evaluation")["verdict"] == "pass"
    assert '<pre id="letters">' in (project / "reports" / "evaluation.html").read_text()
    assert "A toy that writes letters" in (project / "exported" / "model_card.md").read_text()

    generator = project / "exported" / "generator.onnx"
    sample_to_files(generator, project / "letters", Request(n=3, seed=1), folder=True)
    files = sorted((project / "letters").iterdir())
    assert [file.suffix for file in files] == [".letters"] * 3
    (item,) = Letters().decode(files[0].read_bytes(), None)
    assert shares(item.values).argmax() == 0, "a is the most frequent letter of the data"

    with TestClient(create_app(InferenceService(FileSource(generator), ServeSettings(max_batch=8)))) as client:
        assert client.get("/item", params={"seed": 1}).text == files[0].read_text()
        assert client.get("/model.json").json()["item"]["medium"] == "letters"

    commit(project)
    assert promote.run(project)["outcome"] == "promoted"
    set_params(project, seed=1)
    for stage in (train, evaluate, export):
        stage.run(project)
    commit(project)
    second = promote.run(project)
    assert second["champion"] == 1
    assert {"share_error_difference", "share_error_verdict"} <= set(second)


def test_the_gate_of_the_task_names_its_symptom(project: Path) -> None:
    set_params(project, bound=0.0)
    evaluate.run(project)
    assert metrics(project, "evaluation")["reasons"][0].startswith("wrong letters: share_error")
    with pytest.raises(GateRefused, match="wrong letters"):
        export.run(project)
