"""A small project in which all stages have run once, with the outputs recorded in dvc.lock."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from pipeline.stages import evaluate, export, ingest, train, validate
from pipeline.training import model_files
from tests.gates import NO_FLOORS, GateSettings

ROOT = Path(__file__).parents[2]

# After such a short training every test of the gate fails, so all are disabled.
PARAMS = """
data: {{resolution: 8, limit: 60, test_fraction: 0.5, watch: data/raw}}
model: {{variant: dcgan, latent: 16, generator_channels: 16, discriminator_channels: 16}}
train: {{device: cpu, batch_size: 32, total_images: 3000, log_images: 500, snapshot_images: 1500,
  checkpoint_images: 3000, health: {{images: 3000}}}}
validate: {{constant_std: 0.005}}
evaluate: {{samples: {samples}, gate: {gate}}}
promote: {promote}
export: {{opset: 20}}
tracking: {{experiment: line, model: line-digits}}
"""
PROMOTE = f"{{limits: {{fid_ratio: null}}, {NO_FLOORS}}}"


@dataclass(frozen=True)
class Line:
    """A project whose model can be degraded, evaluated and exported again."""

    root: Path

    def set(self, promote: str = PROMOTE, samples: int = 300) -> None:
        gate = "{" + ", ".join(f"{name}: null" for name in GateSettings.model_fields if name != "significance") + "}"
        (self.root / "params.yaml").write_text(PARAMS.format(samples=samples, gate=gate, promote=promote))

    def deliver(self, fade: float = 0.0) -> None:
        """Evaluate, export and record the model, after multiplying the generator's weights by 1 - `fade`.

        Near 1 all images become gray.
        """
        if fade:
            gan, config = model_files.load(self.root / "models")
            with torch.no_grad():
                for weight in gan.get_submodule("generator").parameters():
                    weight.mul_(1 - fade)
            model_files.save(gan, config, self.root / "models")
        evaluate.run(self.root)
        export.run(self.root)
        self.commit()

    def commit(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "commit", "--force", "--quiet"],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def digits(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with validated digits and an empty MLflow store. Tests must not change it."""
    root = tmp_path_factory.mktemp("digits")
    (root / "params.yaml").write_text("data: {resolution: 8}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for stage in (ingest, validate):
            stage.run(root)
    shutil.copy(empty_store, root)
    return root


@pytest.fixture(scope="session")
def trained(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which all stages have run. Tests must not change it."""
    root = tmp_path_factory.mktemp("trained") / "project"
    (root / "data" / "raw").mkdir(parents=True)
    shutil.copytree(ROOT / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root)
    shutil.copy(empty_store, root)
    line = Line(root)
    line.set()
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=root, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for stage in (ingest, validate, train):
            stage.run(root)
        line.deliver()
    return root


@pytest.fixture(scope="module")
def new_line(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Line]:
    """Return a function that copies that project with its store and the files in its registry."""

    def make() -> Line:
        root = tmp_path_factory.mktemp("line") / "project"
        shutil.copytree(trained, root, symlinks=True)
        return Line(root)

    return make


@pytest.fixture(autouse=True)
def default_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
