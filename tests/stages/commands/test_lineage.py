"""The chain from data to registered model: each broken link is named."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest

from pipeline.errors import InputError
from pipeline.stages.commands import lineage, promote
from pipeline.tracking.mlflow_store import address, connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from tests.stages.conftest import Line


@pytest.fixture(scope="module")
def line(new_line: Callable[[], "Line"]) -> "Line":
    found = new_line()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        promote.run(found.root)
    return found


def test_every_link_agrees_after_a_promotion(line: "Line") -> None:
    links = lineage.chain(line.root)
    assert {link.state for link in links} == {"agrees"}
    places = " ".join(link.name for link in links)
    for place in (
        "dvc.lock",
        "data/validated",
        "models/config.json",
        "models/run.json",
        "ONNX metadata",
        "MLflow run",
        "registry line-digits version 1",
    ):
        assert place in places


Undo = Callable[[], object]
Act = Callable[[Path, "MlflowClient", str], Undo]
"""Breaks a link, given the project, MLflow and the run's id. Returns a function that restores it."""


def text(name: str, old: str, new: str) -> Act:
    """Replace the first match of `old` in a file."""

    def act(root: Path, _client: "MlflowClient", _run: str) -> Undo:
        path = root / name
        kept = path.read_bytes()
        changed, count = re.subn(old, new, kept.decode(), count=1)
        assert count == 1, f"{old} is not in {path}"
        path.write_text(changed)
        return lambda: path.write_bytes(kept)

    return act


def other_run(root: Path, _client: "MlflowClient", _run: str) -> Undo:
    """Export the graph as another MLflow run would."""
    path = root / "exported" / "generator.onnx"
    kept = path.read_bytes()
    graph = onnx.load(path)
    next(pair for pair in graph.metadata_props if pair.key == "ganline.mlflow_run").value = "0" * 32
    path.write_bytes(graph.SerializeToString(deterministic=True))
    return lambda: path.write_bytes(kept)


def version_tag(key: str) -> Act:
    def act(_root: Path, client: "MlflowClient", _run: str) -> Undo:
        before = client.get_model_version("line-digits", "1").tags[key]
        client.set_model_version_tag("line-digits", "1", key, "something else")
        return lambda: client.set_model_version_tag("line-digits", "1", key, before)

    return act


def run_tag(key: str) -> Act:
    def act(_root: Path, client: "MlflowClient", run: str) -> Undo:
        before = client.get_run(run).data.tags[key]
        client.set_tag(run, key, "something else")
        return lambda: client.set_tag(run, key, before)

    return act


VERSION = "registry line-digits version 1"
ALONE = ("run's tag", "run's data", "run's version", "registry's metadata", "registry's hashes")
"""Cases that break exactly one link."""

BREAKS: dict[str, tuple[Act, str]] = {
    "lock": (
        text("dvc.lock", r"(?s)(\n  train:.*?path: models\n      hash: md5\n      md5: )\w+", r"\g<1>" + "0" * 32),
        "dvc.lock: train -> ",
    ),
    "weights": (text("models/config.json", '"images_seen": ', '"images_seen": 1'), "dvc.lock -> models: "),
    "data": (
        text("models/config.json", r'"dataset_fingerprint": "\w', '"dataset_fingerprint": "x'),
        "data/validated -> models/config.json: ",
    ),
    "run.json": (text("models/run.json", r'"run_id": "\w', '"run_id": "x'), "models/run.json -> ONNX metadata: "),
    "evaluation": (
        text("metrics/evaluation.json", "n_fake=300", "n_fake=301"),
        "metrics/evaluation.json -> ONNX metadata: protocol ",
    ),
    "graph": (other_run, "metrics/export.json -> generator.onnx: sha256 "),
    "graph's run": (other_run, f"ONNX metadata -> MLflow run {'0' * 32}: the run is not in this store"),
    "run's tag": (run_tag("protocol"), "ONNX metadata -> MLflow run .*: tag protocol "),
    "run's data": (run_tag("dataset_fingerprint"), "data/dataset -> MLflow run .*: tag dataset_fingerprint "),
    "run's version": (run_tag("ganline.model_version"), "MLflow run .* -> registry: version is something else"),
    "registry's metadata": (version_tag("ganline.git_commit"), f"ONNX metadata -> {VERSION}: tag ganline.git_commit "),
    "registry's hashes": (version_tag("ganline.dvc.models"), f"dvc.lock -> {VERSION}: tag ganline.dvc.models "),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_link_is_named(line: "Line", name: str) -> None:
    act, words = BREAKS[name]
    client = connect(address(line.root))
    run = json.loads((line.root / "models" / "run.json").read_text())["run_id"]
    undo = act(line.root, client, run)
    try:
        broken = lineage.broken_links(lineage.chain(line.root))
    finally:
        undo()
    assert any(re.match(words, link) for link in broken), broken
    if name in ALONE:
        assert len(broken) == 1, broken
    assert lineage.broken_links(lineage.chain(line.root)) == []


def test_an_unregistered_model_is_missing_but_not_broken(line: "Line") -> None:
    client = connect(address(line.root))
    undo = version_tag("ganline.sha256")(line.root, client, "")
    try:
        links = lineage.chain(line.root)
    finally:
        undo()
    assert any(link.state == "missing" and "`ganline promote` registers it" in link.detail for link in links)


def test_without_dvc_lock_the_error_names_the_command(line: "Line") -> None:
    lock = line.root / "dvc.lock"
    kept = lock.read_bytes()
    try:
        lock.unlink()
        with pytest.raises(InputError, match=r"dvc\.lock: no such file.*dvc repro"):
            lineage.chain(line.root)
        lock.write_text("stages: [")
        with pytest.raises(InputError, match=r"dvc\.lock: cannot be read"):
            lineage.chain(line.root)
    finally:
        lock.write_bytes(kept)
