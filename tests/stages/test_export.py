"""The export stage in a real checkout: gate, files, card, run and registry."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pytest
import torch

from pipeline.errors import GateRefused, InputError
from pipeline.gans.registry import build
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.gans.variants.sgan.settings import SGANSettings
from pipeline.serving.runtime.generator import Generator
from pipeline.stages import export
from pipeline.tracking import tracked_run
from pipeline.tracking.mlflow_store import connect
from pipeline.tracking.settings import TrackingSettings
from pipeline.training import model_files
from pipeline.training.model_files import ModelConfig
from tests.specs import image_spec

SETTINGS = DCGANSettings(latent=10, generator_channels=4, discriminator_channels=4, max_channels=8)
EVALUATION = {
    "fid": 12.25,
    "modes_covered": 10,
    "verdict": "pass",
    "reasons": [],
    "protocol": "classifier features, 5000 samples",
}


def save_model(root: Path, seed: int, settings: DCGANSettings | SGANSettings = SETTINGS) -> None:
    torch.manual_seed(seed)
    config = ModelConfig(
        model=settings,
        item=image_spec(8, 1, ["zero", "one"]),
        dataset_source="/home/somebody/pictures.zip",
        dataset_fingerprint="f" * 64,
        images_seen=4096,
    )
    model_files.save(build(settings, image_spec(8, 1, 2)), config, root / "models")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def exported(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a trained model that passed the gate, after `export`."""
    root = tmp_path_factory.mktemp("project")
    shutil.copy(empty_store, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        (root / "params.yaml").write_text("tracking: {experiment: tests, model: tests-digits}\n")
        (root / "metrics").mkdir()
        (root / "metrics" / "evaluation.json").write_text(json.dumps(EVALUATION))
        save_model(root, 1)
        for command in (
            ["init", "-q"],
            ["add", "params.yaml"],
            ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x"],
        ):
            subprocess.run(["git", "-C", str(root), *command], check=True)
        with tracked_run.start(TrackingSettings(experiment="tests"), root) as run:
            (root / "models" / "run.json").write_text(json.dumps(run.describe()))
        export.run(root)
    return root


@pytest.fixture
def project(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that may be modified; its MLflow store is that of the exported project."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{exported / 'mlflow.db'}")
    shutil.copytree(exported, tmp_path / "copy", ignore=shutil.ignore_patterns("mlflow.db", "mlartifacts"))
    return tmp_path / "copy"


def versions(root: Path) -> list[Any]:
    client = connect(f"sqlite:///{root / 'mlflow.db'}")
    return sorted(client.search_model_versions("name = 'tests-digits'"), key=lambda version: int(version.version))


def test_the_folder_contains_graph_signature_and_card(exported: Path) -> None:
    assert sorted(path.name for path in (exported / "exported").iterdir()) == [
        "generator.onnx",
        "model_card.md",
        "signature.json",
        "triton",
    ]
    generator = Generator(exported / "exported" / "generator.onnx")
    commit = subprocess.run(
        ["git", "-C", str(exported), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    run_id = json.loads((exported / "models" / "run.json").read_text())["run_id"]
    metadata = generator.metadata
    assert (metadata.latent, metadata.item.shape, metadata.classes) == (10, (8, 8, 1), ["zero", "one"])
    assert (metadata.dataset_name, metadata.dataset_fingerprint) == ("pictures.zip", "f" * 64)
    assert (metadata.git_commit, metadata.mlflow_run) == (commit, run_id)
    assert (metadata.verdict, metadata.fid, metadata.protocol) == ("pass", 12.25, EVALUATION["protocol"])
    assert generator.sample(3).shape == (3, 8, 8, 1)


def test_card_and_metrics_are_correct(exported: Path) -> None:
    measured = json.loads((exported / "metrics" / "export.json").read_text())
    content = (exported / "exported" / "generator.onnx").read_bytes()
    assert measured["sha256"] == hashlib.sha256(content).hexdigest()
    assert measured["size_bytes"] == len(content)
    assert measured["opset"] == 20
    assert 0 <= measured["parity_max_abs"] < 1e-4
    assert measured["latency_ms_batch_1"] > 0
    assert all(not isinstance(value, (dict, list)) for value in measured.values())
    signature = json.loads((exported / "exported" / "signature.json").read_text())
    assert [(one["name"], one["dtype"], one["shape"]) for one in signature["inputs"]] == [("z", "float32", [-1, 10])]
    assert [(one["name"], one["dtype"], one["shape"], one["range"]) for one in signature["outputs"]] == [
        ("images", "float32", [-1, 1, 8, 8], [-1.0, 1.0])
    ]
    card = (exported / "exported" / "model_card.md").read_text()
    for part in (
        "**pass**",
        "pictures.zip",
        "f" * 64,
        "zero, one",
        "4,096",
        "12.25",
        EVALUATION["protocol"],
        "ganline sample",
    ):
        assert str(part) in card
    for path in files(exported / "exported"):
        assert b"/home/" not in path.read_bytes()
        assert str(exported).encode() not in path.read_bytes()


def test_the_registered_version_is_the_exported_file(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (exported / "exported" / "generator.onnx").read_bytes()
    first = versions(exported)[0]
    assert first.tags["ganline.sha256"] == hashlib.sha256(content).hexdigest()
    assert first.tags["ganline.verdict"] == "pass"
    assert first.run_id == json.loads((exported / "models" / "run.json").read_text())["run_id"]
    logged = next((exported / "mlartifacts").rglob("model.onnx"))
    assert logged.read_bytes() == content
    assert (logged.parent / "model_card.md").read_bytes() == (exported / "exported" / "model_card.md").read_bytes()
    loaded = mlflow.pyfunc.load_model(str(logged.parent))
    z = np.random.default_rng(0).standard_normal((3, 10), dtype=np.float32)
    images = loaded.predict({"z": z})["images"]
    gan, _ = model_files.load(exported / "models")
    with torch.no_grad():
        assert np.allclose(images, gan.get_submodule("generator")(torch.from_numpy(z)).numpy(), atol=1e-5)
    with pytest.raises(Exception, match="z"):
        loaded.predict({"wrong": z})


def test_the_run_is_finished_and_has_the_measurements(exported: Path) -> None:
    client = connect(f"sqlite:///{exported / 'mlflow.db'}")
    run = client.get_run(json.loads((exported / "models" / "run.json").read_text())["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["export/size_bytes"] == (exported / "exported" / "generator.onnx").stat().st_size
    assert run.data.tags["ganline.verdict"] == "pass"


def test_a_repeated_export_registers_nothing_and_new_weights_do(project: Path, exported: Path) -> None:
    before = {path: path.read_bytes() for path in files(project / "exported")}
    count = len(versions(exported))
    export.run(project)
    assert {path: path.read_bytes() for path in files(project / "exported")} == before
    assert len(versions(exported)) == count
    save_model(project, 2)
    export.run(project)
    assert (project / "exported" / "generator.onnx").read_bytes() != before[project / "exported" / "generator.onnx"]
    found = versions(exported)
    assert len(found) == count + 1
    assert json.loads((project / "metrics" / "export.json").read_text())["version"] == int(found[-1].version)


def test_a_failed_verdict_is_refused_unless_allowed(project: Path) -> None:
    failed = EVALUATION | {"verdict": "fail", "reasons": ["low fidelity: fid 99. Train", "2 of 10 modes are missing"]}
    (project / "metrics" / "evaluation.json").write_text(json.dumps(failed))
    before = (project / "exported" / "generator.onnx").stat().st_mtime_ns
    with pytest.raises(
        GateRefused, match=r"(?s)low fidelity; 2 of 10 modes are missing\.\n.*evaluation\.html.*export\.allow_failed"
    ) as refused:
        export.run(project)
    assert refused.value.exit_code == 5
    assert (project / "exported" / "generator.onnx").stat().st_mtime_ns == before
    (project / "params.yaml").write_text(
        "tracking: {experiment: tests, model: tests-digits}\nexport: {allow_failed: true}\n"
    )
    export.run(project)
    assert Generator(project / "exported" / "generator.onnx").metadata.verdict == "fail"
    card = (project / "exported" / "model_card.md").read_text()
    assert "- **low fidelity**\n  - evidence: fid 99\n  - try: Train\n- **2 of 10 modes are missing**" in card


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"verdict": "maybe"}', '{"verdict": null}', "\x80"])
def test_missing_and_damaged_evaluations_are_reported(project: Path, text: str | None) -> None:
    path = project / "metrics" / "evaluation.json"
    path.unlink()
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"evaluation\.json.*dvc repro"):
        export.run(project)


def test_a_graph_beyond_the_tolerance_is_not_published(project: Path) -> None:
    (project / "params.yaml").write_text("export: {parity_tolerance: 1.0e-12}\n")
    shutil.rmtree(project / "exported")
    with pytest.raises(InputError, match=r"export\.parity_tolerance"):
        export.run(project)
    assert not (project / "exported").exists()


def test_export_prints_one_line(project: Path, capfd: Any) -> None:
    export.run(project)
    captured = capfd.readouterr()
    assert captured.err == ""
    assert captured.out.count("\n") == 1
    assert "generator.onnx" in captured.out


def test_a_classifier_is_exported_next_to_the_generator(project: Path, exported: Path) -> None:
    """It is a file of its own, described, checked and registered; the generator is unchanged."""
    import onnxruntime

    save_model(project, 3, SGANSettings(latent=10, generator_channels=4, discriminator_channels=4, max_channels=8))
    export.run(project)
    folder = project / "exported"
    assert sorted(path.name for path in folder.iterdir()) == [
        "classifier.onnx",
        "generator.onnx",
        "model_card.md",
        "signature.json",
        "triton",
    ]
    assert sorted(path.name for path in (folder / "triton").iterdir()) == ["classifier", "generator"]
    (graph,) = json.loads((folder / "signature.json").read_text())["further"]
    assert [(one["name"], one["shape"]) for one in (*graph["inputs"], *graph["outputs"])] == [
        ("images", [-1, 1, 8, 8]),
        ("logits", [-1, 2]),
    ]
    assert "softmax" in graph["outputs"][0]["meaning"]
    assert "## Further graph: classifier.onnx" in (folder / "model_card.md").read_text()
    measured = json.loads((project / "metrics" / "export.json").read_text())
    assert measured["classifier_sha256"] == hashlib.sha256((folder / "classifier.onnx").read_bytes()).hexdigest()
    assert measured["classifier_parity_max_abs"] < 1e-4
    gan, _ = model_files.load(project / "models")
    classifier = gan.classifier()
    assert classifier is not None
    images = np.random.default_rng(0).uniform(-1, 1, (5, 1, 8, 8)).astype(np.float32)
    (logits,) = onnxruntime.InferenceSession(str(folder / "classifier.onnx")).run(["logits"], {"images": images})
    with torch.no_grad():
        assert np.allclose(logits, classifier(torch.from_numpy(images)).numpy(), atol=1e-5)
    logged = list((exported / "mlartifacts").rglob("classifier.onnx"))
    assert [path.read_bytes() for path in logged] == [(folder / "classifier.onnx").read_bytes()]
    assert Generator(folder / "generator.onnx").sample(2).shape == (2, 8, 8, 1)
    with pytest.raises(InputError, match="maps images to logits"):
        Generator(folder / "classifier.onnx").sample(2)
