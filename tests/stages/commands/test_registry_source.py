"""Registered models as a source, in SQLite and on a server; the alias is followed."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.errors import InputError
from pipeline.serving.http.loaded_model import LoadedModel
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.onnx.signature import describe_graph
from pipeline.stages.commands.registry_source import RegistrySource
from pipeline.tracking import tracked_run
from pipeline.tracking.mlflow_store import connect
from pipeline.tracking.settings import TrackingSettings
from tests.specs import image_spec
from tests.waiting import WAIT_SECONDS, find_free_port, wait_until

SETTINGS = TrackingSettings(experiment="registered", model="pictures")


def make(path: Path, shift: float) -> Path:
    """Write a generator of 2 x 2 gray images whose values identify it."""
    metadata = Metadata.model_validate(
        {
            "version": "0.1.0",
            "variant": "dcgan",
            "item": image_spec(2, 1),
            "latent": 4,
            "dataset_name": "digits",
            "dataset_fingerprint": "f" * 64,
            "images_seen": 1,
            "git_commit": "c" * 40,
            "mlflow_run": "r",
            "verdict": "pass",
            "fid": 1.5,
            "protocol": "p",
        }
    )
    nodes = [
        helper.make_node("Add", ["z", "shift"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["images"]),
    ]
    constants = [
        helper.make_tensor("shift", TensorProto.FLOAT, [1], [shift]),
        helper.make_tensor("shape", TensorProto.INT64, [4], [-1, 1, 2, 2]),
    ]
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 4])]
    outputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 1, 2, 2])]
    model = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    helper.set_model_props(model, metadata.pairs())
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def export(run: tracked_run.Run, path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return run.log_model(
        path, describe_graph(path, image_spec(2, 1)), SETTINGS.model, sha256=digest, tags={"kind": "test"}
    )


def follow(root: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(uri)
    with tracked_run.start(SETTINGS, root) as run:
        first, second = (export(run, make(root / f"{k}.onnx", float(k))) for k in range(2))
    client.set_registered_model_alias(SETTINGS.model, "champion", first)
    source = RegistrySource(root, "models:/pictures@champion")
    assert source.revision() == first
    for version, number in ((first, 0), (second, 1)):
        client.set_registered_model_alias(SETTINGS.model, "champion", version)
        assert source.revision() == version
        found = source.fetch()
        assert (found.name, found.version) == ("pictures", version)
        original = onnx.load(root / f"{number}.onnx")
        assert onnx.load_from_string(found.content) == original
        loaded = LoadedModel(found, 4)
        assert loaded.generator.metadata.fid == 1.5
        assert loaded.run({"z": loaded.generator.latents(0, 0, 1)}, ["images"])["images"].shape == (1, 1, 2, 2)
    fixed = RegistrySource(root, f"models:/pictures/{first}")
    assert fixed.revision() == first
    assert fixed.fetch().version == first
    absent = {
        "pictures@absent": "`ganline promote` sets the alias",
        "other@champion": "no such model",
        "pictures/99": "no such model",
    }
    for model, words in absent.items():
        with pytest.raises(InputError, match=words):
            RegistrySource(root, f"models:/{model}").revision()


def test_versions_and_aliases_in_a_database(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path)
    follow(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}", monkeypatch)
    shutil.rmtree(tmp_path / "mlartifacts")
    with pytest.raises(InputError, match="cannot download the ONNX file of version 2 from sqlite"):
        RegistrySource(tmp_path, "models:/pictures@champion").fetch()


@pytest.mark.slow
def test_versions_and_aliases_on_a_server(
    tmp_path: Path,
    mlflow_server: Callable[[Path, int], AbstractContextManager[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with mlflow_server(tmp_path, find_free_port()) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        follow(tmp_path, uri, monkeypatch)
        source = RegistrySource(tmp_path, "models:/pictures@champion")
    with pytest.raises(InputError, match="does not respond"):
        source.revision()


@pytest.mark.slow
def test_mlflow_serves_the_registered_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mlflow models serve` on the registered version."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with tracked_run.start(SETTINGS, tmp_path) as run:
        export(run, make(tmp_path / "0.onnx", 0.25))
    port = find_free_port()
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        "models:/pictures/1",
        "--port",
        str(port),
        "--env-manager",
        "local",
    ]
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    with (tmp_path / "log").open("wb") as log:
        started = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, cwd=tmp_path, start_new_session=True
        )

    def request() -> httpx.Response | None:
        assert started.poll() is None, (tmp_path / "log").read_text()
        content = {"inputs": {"z": [[1, 2, 3, 4], [0, 0, 0, 0]]}}
        try:
            return httpx.post(f"http://127.0.0.1:{port}/invocations", json=content, timeout=WAIT_SECONDS)
        except httpx.TransportError:
            return None

    try:
        answer = wait_until(request, (tmp_path / "log").read_text, pause=0.5)
        assert answer is not None
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"]["images"] == [[[[1.25, 2.25], [3.25, 4.25]]], [[[0.25, 0.25], [0.25, 0.25]]]]


@pytest.mark.parametrize(
    "model",
    ["models:/", "models:/a", "models:/a@", "models:/a@b@c", "models:/a/latest", "models:/a/b/1", "models:/a/-1"],
)
def test_other_addresses_are_rejected(tmp_path: Path, model: str) -> None:
    with pytest.raises(InputError, match="a registered model is models:/NAME@ALIAS"):
        RegistrySource(tmp_path, model)


def test_models_without_onnx_are_reported(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path)
    with tracked_run.start(SETTINGS, tmp_path) as run:
        export(run, make(tmp_path / "0.onnx", 0.0))
    (folder,) = (path.parent for path in (tmp_path / "mlartifacts").rglob("MLmodel"))
    (folder / "MLmodel").write_text(json.dumps({"flavors": {}}))
    with pytest.raises(InputError, match="cannot download the ONNX file of version 1"):
        RegistrySource(tmp_path, "models:/pictures/1").fetch()
