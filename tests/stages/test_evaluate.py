"""The evaluate stage in a real project: stored digits, a small untrained model, a tracked run."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from pipeline.data.store import DatasetInfo, Shard, open_split
from pipeline.data.views import choose_labelled
from pipeline.errors import InputError
from pipeline.evaluation.measures import supervised_baseline
from pipeline.gans.registry import build
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.gans.variants.sgan.settings import SGANSettings
from pipeline.stages import evaluate
from pipeline.tasks.generate import sample_evaluation
from pipeline.tracking import tracked_run
from pipeline.tracking.mlflow_store import address, connect
from pipeline.tracking.settings import TrackingSettings
from pipeline.training import model_files
from pipeline.training.model_files import ModelConfig
from tests.clusters import threads_as_workers
from tests.specs import image_spec

SETTINGS = DCGANSettings(latent=8, generator_channels=4, discriminator_channels=4, max_channels=8)
PARAMS = "tracking: {experiment: tests}\ntrain: {device: cpu}\nevaluate: {samples: 300, batch_size: 128}\n"


def save_store(root: Path, splits: list[str]) -> None:
    """Store all digits in one shard, with the splits in turn."""
    import hashlib

    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.rint(data.images * 255 / 16).astype(np.uint8)[..., None]
    n = len(images)
    shards = root / "data" / "dataset" / "shards"
    shards.mkdir(parents=True)
    np.save(shards / "00000.npy", images)
    split = [splits[i % len(splits)] for i in range(n)]
    info = DatasetInfo(
        source="digits",
        fingerprint="d" * 64,
        images=n,
        set_aside=0,
        item=image_spec(8, 1, [f"<{c}>" for c in range(10)]),
        splits={name: split.count(name) for name in set(split)},
        shards=[
            Shard(file="00000.npy", rows=n, sha256=hashlib.sha256((shards / "00000.npy").read_bytes()).hexdigest())
        ],
    )
    (root / "data" / "dataset" / "dataset.json").write_text(info.model_dump_json())
    (root / "data" / "validated").mkdir()
    table = {
        "id": np.arange(n),
        "path": [f"{i}.png" for i in range(n)],
        "class": [info.item.classes[c] for c in data.target],
        "label": data.target.astype(np.int64),
        "split": split,
        "shard": np.zeros(n, dtype=np.int64),
        "row": np.arange(n),
        "sha256": ["0" * 64] * n,
        "pixels_sha256": [hashlib.sha256(image.tobytes()).hexdigest() for image in images],
    }
    pq.write_table(pa.table(table), root / "data" / "validated" / "index.parquet")


def save_model(root: Path, *, broken: bool = False) -> None:
    torch.manual_seed(0)
    gan = build(SETTINGS, image_spec(8, 1, 10))
    if broken:
        with torch.no_grad():
            for parameter in gan.get_submodule("generator").parameters():
                parameter.fill_(float("nan"))
    config = ModelConfig(
        model=SETTINGS,
        item=image_spec(8, 1, [f"<{c}>" for c in range(10)]),
        dataset_source="digits",
        dataset_fingerprint="d" * 64,
        images_seen=4096,
    )
    model_files.save(gan, config, root / "models")


def make_project(root: Path, empty_store: Path, splits: list[str]) -> Path:
    shutil.copy(empty_store, root)
    (root / "params.yaml").write_text(PARAMS)
    save_store(root, splits)
    save_model(root)
    with tracked_run.start(TrackingSettings(experiment="tests"), root) as run:
        (root / "models" / "run.json").write_text(json.dumps(run.describe()))
    return root


@pytest.fixture(scope="module")
def no_server() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, empty_store: Path, no_server: None) -> Path:
    """Return a project in which an untrained generator has been evaluated."""
    root = make_project(tmp_path_factory.mktemp("project"), empty_store, ["train", "train", "train", "test"])
    evaluate.run(root)
    return root


def metrics_of(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "metrics" / "evaluation.json").read_text())
    return found


def test_a_failed_verdict_is_no_error(evaluated: Path) -> None:
    """An untrained generator fails the gate, with reasons."""
    metrics = metrics_of(evaluated)
    assert metrics["verdict"] == "fail"
    assert metrics["reasons"][0].startswith(("wrong contrast: ", "blurred: ", "wrong brightness: ")), (
        "the images are almost constant"
    )
    assert (metrics["n_fake"], metrics["n_real"], metrics["modes_total"]) == (300, 449, 10)
    assert metrics["classifier_accuracy"] > 0.95
    assert metrics["fid_ratio"] > 3
    assert metrics["seconds"] > 0
    assert re.search(r"measure=fd_classifier_[0-9a-f]{8} .*n_real=449 \| n_fake=300 \| seed=0", metrics["protocol"])
    lists = ("reasons", "warnings", "skipped", "untested", "near_bounds")
    flat = [value for key, value in metrics.items() if key not in lists]
    assert all(value is None or isinstance(value, int | float | str) for value in flat)


def test_the_report_is_one_file(evaluated: Path) -> None:
    page = (evaluated / "reports" / "evaluation.html").read_text()
    assert "Verdict: fail" in page
    assert len(re.findall(r'src="data:image/png;base64,', page)) >= 3
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "&lt;4&gt;" in page
    assert "<4>" not in page
    assert "last 2 runs" not in page, "this is the only run"
    assert str(evaluated) not in page
    assert json.loads((evaluated / "models" / "run.json").read_text())["run_id"] in page


def test_the_mlflow_run_is_continued(evaluated: Path) -> None:
    run_id = json.loads((evaluated / "models" / "run.json").read_text())["run_id"]
    client = connect(address(evaluated))
    run = client.get_run(run_id)
    metrics = metrics_of(evaluated)
    assert run.data.metrics["evaluate/fid"] == pytest.approx(metrics["fid"])
    assert run.data.metrics["evaluate/fid_ratio"] == pytest.approx(metrics["fid_ratio"])
    assert run.data.tags["verdict"] == "fail"
    assert run.data.tags["protocol"] == metrics["protocol"]
    assert run.info.status == "FINISHED"
    assert {file.path for file in client.list_artifacts(run_id)} >= {"evaluation.html", "evaluation.json"}


def test_a_repeated_evaluation_gives_the_same_numbers_from_the_cache(
    evaluated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, files = (
        metrics_of(evaluated),
        {path: path.stat().st_mtime_ns for path in (evaluated / ".ganline" / "cache").iterdir()},
    )
    with tracked_run.start(TrackingSettings(experiment="tests"), evaluated) as other:
        other.log_metrics({"evaluate/fid_ratio": 2.5})
        other.tag({"verdict": "pass", "protocol": before["protocol"]})
    evaluate.run(evaluated)
    page = (evaluated / "reports" / "evaluation.html").read_text()
    assert "The last 2 runs" in page
    assert re.search(r"<title>[^<]*: 2.5, pass</title>.*\n.*<title>this run: ", page)
    after = metrics_of(evaluated)
    assert {**after, "seconds": 0} == {**before, "seconds": 0}
    assert {path: path.stat().st_mtime_ns for path in (evaluated / ".ganline" / "cache").iterdir()} == files
    out = capsys.readouterr()
    assert out.out.startswith("fail: fid ")
    assert "ganline: verdict fail: " in out.err


def test_features_from_a_cluster_change_no_number(
    evaluated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The workers compute features of real items that the cache lacks, and those of samples."""
    root = tmp_path / "project"
    shutil.copytree(evaluated, root)
    before = {path.name: path.read_bytes() for path in (root / ".ganline" / "cache").glob("features-*.pt")}
    assert len(before) > 2
    for name in before:
        (root / ".ganline" / "cache" / name).unlink()
    with threads_as_workers(2) as address:
        monkeypatch.setenv("GANLINE_SCHEDULER", address)
        evaluate.run(root)
    assert f"computing features on the Dask workers of {address}" in capsys.readouterr().err
    assert {**metrics_of(root), "seconds": 0} == {**metrics_of(evaluated), "seconds": 0}
    after = {path.name: path.read_bytes() for path in (root / ".ganline" / "cache").glob("features-*.pt")}
    assert after == before


@pytest.mark.slow
def test_the_exported_extractor_gives_the_same_distance_in_another_project(
    evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other project uses it as evaluate.features and trains no classifier."""
    before = metrics_of(evaluated)
    (kept,) = (evaluated / ".ganline" / "extractors").iterdir()
    assert kept.name == f"fd_classifier_{before['features_sha256'][:8]}.onnx"
    other = tmp_path / "other"
    shutil.copytree(evaluated, other, ignore=shutil.ignore_patterns("cache", "extractors"))
    (other / "params.yaml").write_text(PARAMS.replace("samples: 300", f"features: {kept}, samples: 300"))
    evaluate.run(other)
    after = metrics_of(other)
    assert after["features"] == "encoder"
    assert after["fid"] == pytest.approx(before["fid"], rel=1e-4)
    assert after["precision"] == pytest.approx(before["precision"], abs=0.01)
    assert f"kept as {kept}" not in capsys.readouterr().err, "a user's own file is not exported again"


def test_nonfinite_samples_fail(evaluated: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(evaluated, root)
    save_model(root, broken=True)
    evaluate.run(root)
    metrics = metrics_of(root)
    assert (metrics["verdict"], metrics["nonfinite_samples"], metrics["fid"]) == ("fail", 300, None)
    assert metrics["reasons"][0].startswith("non-finite samples: 300 of 300")
    assert "No sample was finite" in (root / "reports" / "evaluation.html").read_text()


def test_without_a_test_split_the_error_names_the_key(tmp_path: Path, empty_store: Path, no_server: None) -> None:
    root = make_project(tmp_path, empty_store, ["train"])
    with pytest.raises(InputError, match=r"data\.test_fraction"):
        evaluate.run(root)
    assert not (root / "metrics").exists()


def test_a_model_of_another_shape_is_rejected(evaluated: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(evaluated, root)
    config = json.loads((root / "models" / "config.json").read_text())
    (root / "models" / "config.json").write_text(
        json.dumps({**config, "item": {**config["item"], "height": 16, "width": 16}})
    )
    with pytest.raises(InputError, match=r"config\.json|generator\.safetensors"):
        evaluate.run(root)


def test_a_semi_supervised_classifier_is_compared_with_a_baseline_on_its_labels(
    evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labels follow from the seed of the training. A model of other data is rejected."""
    root = tmp_path / "project"
    shutil.copytree(evaluated, root)
    train = open_split(root / "data" / "dataset", root / "data" / "validated", "train")
    settings = SGANSettings(
        latent=8, generator_channels=4, discriminator_channels=8, max_channels=16, labelled_per_class=4
    )
    names = [f"<{c}>" for c in range(10)]
    config = ModelConfig(
        model=settings,
        item=image_spec(8, 1, names),
        dataset_source="digits",
        dataset_fingerprint=train.fingerprint,
        images_seen=640,
        seed=3,
    )
    model_files.save(build(settings, image_spec(8, 1, 10)), config, root / "models")
    used: list[list[int]] = []

    def compare(
        classifier: nn.Module, fresh: nn.Module, splits: supervised_baseline.LabelledSplits
    ) -> supervised_baseline.SemiSupervised:
        used.append(splits.labelled.tolist())
        return supervised_baseline.compare_classifiers(classifier, fresh, splits)

    monkeypatch.setattr(sample_evaluation, "compare_classifiers", compare)
    monkeypatch.setattr(supervised_baseline, "STEPS", 500)
    evaluate.run(root)
    metrics = metrics_of(root)
    assert used == [choose_labelled(train.labels, 4, 3).tolist()]
    assert metrics["labels_used"] == 40
    assert metrics["semi_supervised_accuracy"] < 0.4 < metrics["supervised_accuracy"], (
        "the model is untrained, the baseline is not"
    )
    page = (root / "reports" / "evaluation.html").read_text()
    assert "semi_supervised_accuracy" in page
    assert f"{metrics['supervised_accuracy']:.4g}" in page
    assert re.search(r"classifier [0-9.]+% right with 40 labels \([0-9.]+% by them alone\)", capsys.readouterr().out)

    (root / "models" / "config.json").write_text(
        config.model_copy(update={"dataset_fingerprint": "e" * 64}).model_dump_json()
    )
    with pytest.raises(
        InputError, match=r"config\.json: the model was trained on other images, .* Run `dvc repro train`"
    ):
        evaluate.run(root)
