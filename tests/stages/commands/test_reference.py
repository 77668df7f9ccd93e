"""`ganline reference`: statistics of a project's data are written, listed and compared."""

import json
import shutil
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor, nn

from pipeline.arrays import Float64Array, UInt8Array
from pipeline.data.store import DatasetInfo, open_split
from pipeline.errors import InputError
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.gans.registry import build
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.stages import evaluate
from pipeline.stages.commands import reference
from pipeline.tasks.generate.sample_evaluation import draw_samples
from pipeline.tracking import tracked_run
from pipeline.tracking.settings import TrackingSettings
from pipeline.training import model_files
from pipeline.training.model_files import ModelConfig
from tests.clusters import threads_as_workers


def test_statistics_are_computed_listed_and_compared(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    shutil.copytree(digits / "data", root / "data")
    (root / "params.yaml").write_text(
        "data: {resolution: 8}\ntrain: {device: cpu}\nevaluate: {features: random, batch_size: 64}\n"
    )
    reference.list_all(root)
    assert "no reference statistics" in capsys.readouterr().out
    reference.compute(root, "held-out", "test")
    reference.compute(root, "training", "train")
    assert "features of random:" in capsys.readouterr().out
    reference.list_all(root)
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["held-out", "training"]
    reference.compare(root, "held-out", "training")
    assert capsys.readouterr().out.startswith("fd_random_")
    with pytest.raises(InputError, match="letters, digits"):
        reference.compute(root, "../elsewhere", "test")
    with pytest.raises(InputError, match="no such file"):
        reference.compare(root, "held-out", "missing")

    for file in (root / ".ganline" / "cache").glob("features-*.pt"):
        file.unlink()
    with threads_as_workers(1) as address:
        monkeypatch.setenv("GANLINE_SCHEDULER", address)
        reference.compute(root, "workers", "test")
    assert f"computing features on the Dask workers of {address}" in capsys.readouterr().err
    here, there = ((root / "references" / f"{name}.npz").read_bytes() for name in ("held-out", "workers"))
    assert here == there


class SmallEncoder(nn.Module):
    """Random convolutions; the means of eight maps are the features."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1))

    def forward(self, x: Tensor) -> Tensor:
        return cast("Tensor", self.layers(x)).flatten(1)


def describe_evaluation(root: Path, mean: float, reference: str = "null") -> None:
    """Write params.yaml with an encoder that expects images of this mean."""
    (root / "params.yaml").write_text(
        f"data: {{resolution: 8}}\ntrain: {{device: cpu}}\nevaluate: {{samples: 120, features: encoder.onnx, "
        f"reference: {reference}, encoder: {{side: 16, mean: [{mean}], std: [0.25]}}}}\n"
    )


@pytest.mark.slow  # 10 s: the encoder is exported, and the classifier of the digits is trained
def test_the_distance_to_a_reference_is_measured_in_the_features_of_an_encoder(digits: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(digits, root)
    encoder = SmallEncoder().eval()
    images, shapes = (torch.zeros(2, 3, 16, 16),), ({0: "n"},)
    file = root / "encoder.onnx"
    torch.onnx.export(encoder, images, file, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False)
    describe_evaluation(root, 0.5)
    reference.compute(root, "digits", "test")

    item = DatasetInfo.read(root / "data" / "dataset").item
    settings = DCGANSettings(latent=8, generator_channels=4, discriminator_channels=4, max_channels=8)
    gan = build(settings, item)
    config = ModelConfig(
        model=settings, item=item, dataset_source="digits", dataset_fingerprint="d" * 64, images_seen=8
    )
    model_files.save(gan, config, root / "models")
    with tracked_run.start(TrackingSettings(), root) as run:
        (root / "models" / "run.json").write_text(json.dumps(run.describe()))
    describe_evaluation(root, 0.5, "references/digits.npz")
    evaluate.run(root)
    found = json.loads((root / "metrics" / "evaluation.json").read_text())
    assert found["features"] == "encoder"

    train, test = (open_split(root / "data/dataset", root / "data/validated", name) for name in ("train", "test"))
    model, _ = model_files.load(root / "models")
    with (root / "scratch").open("wb+") as scratch:
        samples = draw_samples(model, EvaluateSettings(samples=120), train, scratch).images
        moments = [moments_of(encoder, images) for images in (samples, test.images(np.arange(len(test))))]
    (mean, covariance), (other_mean, other) = moments
    root_of_product = np.trace(sqrtm(covariance @ other).real)
    expected = np.square(mean - other_mean).sum() + np.trace(covariance + other) - 2 * root_of_product
    assert found["fd_reference"] == pytest.approx(expected, rel=1e-4), "ONNX Runtime computes in float32"

    describe_evaluation(root, 0.4, "references/digits.npz")
    with pytest.raises(InputError, match=r"have other features .range mean=0\.5,std=0\.25 against mean=0\.4,std=0\.25"):
        evaluate.run(root)


def moments_of(encoder: nn.Module, images: UInt8Array) -> tuple[Float64Array, Float64Array]:
    """Return mean and covariance of features of gray images [n, 8, 8, 1], enlarged as evaluate.encoder says."""
    x = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255
    x = nn.functional.interpolate(x, size=(16, 16), mode="bilinear", antialias=True).expand(-1, 3, -1, -1)
    with torch.no_grad():
        features = encoder((x - 0.5) / 0.25).double().numpy()
    return features.mean(axis=0), np.cov(features, rowvar=False)
