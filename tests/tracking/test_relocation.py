"""A store that was moved or copied finds its artifacts next to its database."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pipeline.promotion.aliases import Registry
from pipeline.tracking import tracked_run
from pipeline.tracking.mlflow_store import address, connect
from pipeline.tracking.relocation import COLUMNS, relocate_artifacts
from pipeline.tracking.settings import TrackingSettings

SETTINGS = TrackingSettings(experiment="tests", model="tests-model")


@pytest.fixture
def store(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a run and a registered model, whose path has a space and a letter beyond ASCII."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "my prôject"
    root.mkdir()
    shutil.copy(empty_store, root)
    file = root / "generator.onnx"
    file.write_bytes(b"weights")
    with tracked_run.start(SETTINGS, root) as run:
        run.log_file(file, "models")
    client = connect(address(root))
    client.create_registered_model("tests-model")
    artifacts = client.get_run(run.id).info.artifact_uri
    client.create_model_version("tests-model", f"{artifacts}/models", run_id=run.id)
    return root


def locations(root: Path) -> list[str]:
    with sqlite3.connect(root / "mlflow.db") as connection:
        values = [
            value for table, column in COLUMNS for (value,) in connection.execute(f"select {column} from {table}")
        ]
    return [value for value in values if value and "mlruns" not in value]


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_moved_or_copied_store_uses_its_own_artifacts(store: Path, how: str, capfd: Any) -> None:
    other = store.parent / "elsewhere"
    (shutil.move if how == "moved" else shutil.copytree)(store, other)
    with tracked_run.start(SETTINGS, other) as run:
        run.log_file(other / "generator.onnx", "models")
    assert store.exists() == (how == "copied")
    assert len(list(other.glob("mlartifacts/**/generator.onnx"))) == 2
    assert len(locations(other)) == 5
    assert all(value.startswith((other / "mlartifacts").as_uri()) for value in locations(other))
    message = capfd.readouterr().err
    assert f"{other / 'mlflow.db'}: was moved from {store}" in message
    version = Registry(connect(address(other)), "tests-model").version("1")
    assert Path(version.source.removeprefix("file://"), "generator.onnx").read_bytes() == b"weights"
    assert capfd.readouterr().err == "", "repaired once"


def test_only_the_database_was_copied(store: Path, tmp_path: Path) -> None:
    """The artifacts are still where they were."""
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(store / "mlflow.db", other)
    before = locations(other)
    assert relocate_artifacts(other / "mlflow.db") is None
    assert locations(other) == before


def test_artifacts_in_a_bucket_stay_there(store: Path, tmp_path: Path) -> None:
    client = connect(address(store))
    client.create_experiment("bucket", artifact_location="s3://bucket/mlartifacts")
    shutil.move(store, tmp_path / "other")
    assert relocate_artifacts(tmp_path / "other" / "mlflow.db") == store
    assert "s3://bucket/mlartifacts" in locations(tmp_path / "other")


def test_no_store_and_an_empty_one(tmp_path: Path) -> None:
    assert relocate_artifacts(tmp_path / "mlflow.db") is None
    (tmp_path / "mlflow.db").touch()
    assert relocate_artifacts(tmp_path / "mlflow.db") is None
