"""`ganline features` on a real checkout: the graph equals the discriminator, and the metrics are those of the graph."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pydantic import TypeAdapter

from pipeline.cli.app import app
from pipeline.data.store import open_split
from pipeline.errors import InputError
from pipeline.evaluation.measures.linear_probe import probe
from pipeline.gans.registry import VARIANTS, ModelSettings
from pipeline.items import ItemSpec
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.registry import MEDIA
from pipeline.media.video.settings import VideoSettings
from pipeline.media.volume.settings import VolumeSettings
from pipeline.serving.onnx import graph_export, signature
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.onnx.parity import check_parity
from pipeline.stages import ingest, train, validate
from pipeline.stages.commands import features
from pipeline.training import model_files
from tests.specs import image_spec

ROOT = Path(__file__).parents[3]
PARAMS = """
data: {{resolution: 8, limit: 60, test_fraction: 0.5}}
model: {{variant: {variant}, latent: 16, generator_channels: 8, discriminator_channels: 16, discriminator_norm: none,
  penalties: {{r1: 0.1}}}}
train: {{device: cpu, batch_size: 32, total_images: 1600, seed: 0, health: {{images: 1600}}}}
tracking: {{experiment: tests, model: tests}}
"""


@pytest.fixture(scope="module")
def trained(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a CGAN, whose trunk needs more than the image."""
    root = tmp_path_factory.mktemp("project")
    shutil.copy(empty_store, root)
    (root / "params.yaml").write_text(PARAMS.format(variant="cgan, conditioning: concat"))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for stage in (ingest, validate, train):
            stage.run(root)
    return root


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy that a test may change."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(trained, tmp_path / "copy")
    return tmp_path / "copy"


def test_the_file_the_metrics_and_the_message(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    app(["features"], standalone_mode=False)
    captured = capfd.readouterr()
    assert captured.out.count("\n") == 1
    measured = json.loads((project / "metrics" / "features.json").read_text())
    assert f"{measured['dims']} features per image; accuracy of a linear probe on" in captured.out
    accuracy, pixels, untrained = (measured[f"probe_accuracy{name}"] for name in ("", "_pixels", "_untrained"))
    numbers = f"{accuracy:.1%}, {pixels:.1%} with raw pixels, {untrained:.1%} with the untrained network"
    assert numbers in captured.out
    assert not any(isinstance(value, dict | list) for value in measured.values())

    path = project / "exported" / "features.onnx"
    session = onnxruntime.InferenceSession(str(path))
    assert [(one.name, one.shape) for one in session.get_inputs()] == [("images", ["batch", 1, 8, 8])]
    assert [(one.name, one.shape) for one in session.get_outputs()] == [("features", ["batch", measured["dims"]])]
    metadata = Metadata.read({entry.key: entry.value for entry in onnx.load(path).metadata_props}, "x")
    assert (metadata.variant, metadata.verdict, metadata.fid) == ("cgan", "none", None)
    assert metadata.item.shape == (8, 8, 1)
    assert metadata.mlflow_run == json.loads((project / "models" / "run.json").read_text())["run_id"]

    gan, _ = model_files.load(project / "models", discriminators=True)
    trunk = gan.trunk()
    assert trunk is not None
    seen_split, new_split = (
        open_split(project / "data" / "dataset", project / "data" / "validated", split) for split in ("train", "test")
    )
    seen, new = (data.images().astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1 for data in (seen_split, new_split))
    for n in (1, 2, 7, 64):
        with torch.no_grad():
            expected = trunk(torch.from_numpy(seen[:n])).numpy()
        assert np.allclose(session.run(None, {"images": seen[:n]})[0], expected, atol=1e-4)

    extracted = [session.run(None, {"images": images})[0] for images in (seen, new)]
    assert measured["probe_accuracy"] == pytest.approx(
        probe(extracted[0], seen_split.labels, extracted[1], new_split.labels, seed=0).accuracy, abs=0.011
    )
    flat = [images.reshape(len(images), -1) for images in (seen, new)]
    assert measured["probe_accuracy_pixels"] == pytest.approx(
        probe(flat[0], seen_split.labels, flat[1], new_split.labels, seed=0).accuracy, abs=0.011
    )
    assert (measured["probe_train_images"], measured["probe_test_images"]) == (len(seen_split), len(new_split))
    assert min(measured[f"probe_accuracy{name}"] for name in ("", "_untrained", "_pixels")) > 0.7, "of ten classes"

    first = path.read_bytes()
    features.run(project, project / "elsewhere" / "again.onnx")
    assert (project / "elsewhere" / "again.onnx").read_bytes() == first


def test_without_labels_the_export_works_and_the_probe_is_skipped(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    index = project / "data" / "validated" / "index.parquet"
    table = pq.read_table(index)
    position = table.schema.get_field_index("label")
    pq.write_table(table.set_column(position, "label", pa.array([-1] * len(table), pa.int64())), index)
    features.run(project)
    assert "no probe, because the data has fewer than two labels" in capfd.readouterr().out
    assert (project / "exported" / "features.onnx").exists()
    assert "probe_accuracy" not in json.loads((project / "metrics" / "features.json").read_text())


def test_errors_name_the_file_and_the_remedy(project: Path) -> None:
    with pytest.raises(
        InputError, match=r"features\.bin: the feature extractor is an ONNX file, so its name must end in \.onnx"
    ):
        features.run(project, Path("features.bin"))
    described = project / "data" / "dataset" / "dataset.json"
    intact = described.read_text()
    assert '"height": 8' in intact
    described.write_text(intact.replace('"height": 8', '"height": 16'))
    with pytest.raises(InputError, match=r"items of 8 x 8 x 1, but the data has 16 x 8 x 1\. Run `dvc repro train`"):
        features.run(project)
    described.write_text(intact)
    (project / "models" / "discriminator.safetensors").unlink()
    with pytest.raises(InputError, match=r"discriminator\.safetensors: cannot be read .*run `dvc repro -f train`"):
        features.run(project)
    (project / "models" / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json: no such file; run `dvc repro train` first"):
        features.run(project)
    assert not (project / "exported").exists()


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(
            name, marks=[pytest.mark.slow] if name in ("r3gan", "stylegan2", "wavegan", "voxgan", "mocogan") else []
        )
        for name, variant in VARIANTS.items()
        if variant.settings.task == "generate"
    ],
)
def test_every_variant_has_features_that_export(variant: str, tmp_path: Path) -> None:
    settings: ModelSettings = TypeAdapter(ModelSettings).validate_python({"variant": variant})
    pieces = ItemSpec(medium="music", height=8, width=4, channels=1, symbols=20, classes=("a", "b"))
    waves = MEDIA["audio"].spec(AudioSettings(representation="wave", seconds=0.064), ("a", "b"))
    voxels = MEDIA["volume"].spec(VolumeSettings(), ("a", "b"))
    clips = MEDIA["video"].spec(VideoSettings(), ())
    others = {"musegan": pieces, "wavegan": waves, "voxgan": voxels, "mocogan": clips}
    item = others.get(variant, image_spec(16, 3, ["a", "b"]))
    config = model_files.ModelConfig(
        model=settings,
        item=item,
        dataset_source="x",
        dataset_fingerprint="f" * 64,
        images_seen=0,
    )
    spec = features.graph(features.untrained_trunk(config, seed=0), config)
    graph_export.export(spec, tmp_path / "features.onnx", {}, 20)
    assert check_parity(spec, tmp_path / "features.onnx", 1e-4, config.item).max_abs < 1e-4
    described = signature.describe_graph(tmp_path / "features.onnx", config.item)
    name = {"musegan": "pieces", "wavegan": "waves", "voxgan": "volumes", "mocogan": "clips"}.get(variant, "images")
    wanted = (name, [-1, item.network_channels, item.height, item.width])
    assert [(one["name"], one["shape"]) for one in described["inputs"]] == [wanted]
    ((name, (batch, dims)),) = [(one["name"], one["shape"]) for one in described["outputs"]]
    assert (name, batch) == ("features", -1)
    assert dims >= 64


def test_dvc_ignores_the_file(tmp_path: Path) -> None:
    """exported/ is an output of a stage; this file must not make that stage run again."""
    for part in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / part, tmp_path)
    dvc = [str(Path(sys.executable).with_name("dvc"))]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run(
        [*dvc, "check-ignore", "exported/features.onnx", "exported/generator.onnx"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["exported/features.onnx"]
