"""The train stage with a parent: from the registry, a run or a folder, with lineage; and wrong addresses."""

import csv
import json
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from safetensors.numpy import load_file

from pipeline import params
from pipeline.data.store import DatasetInfo
from pipeline.errors import InputError
from pipeline.stages import train
from pipeline.stages.commands import lineage
from pipeline.stages.parent import find_parent
from pipeline.stages.paths import Paths
from pipeline.training.warm_start import Parent

if TYPE_CHECKING:
    from tests.stages.conftest import Line


@pytest.fixture(scope="module")
def line(new_line: Callable[[], "Line"]) -> "Line":
    return new_line()


def start_from(line: "Line", source: str, more: str = "") -> None:
    """Let the training start from a parent, and be short."""
    line.set()
    path = line.root / "params.yaml"
    text = path.read_text().replace("total_images: 3000", f"start_from: {json.dumps(source)}, total_images: 320{more}")
    path.write_text(text.replace("health: {images: 3000}", "health: {images: 160}"))


def find(line: "Line", source: str) -> Parent | None:
    start_from(line, source)
    paths = Paths(line.root)
    return find_parent(paths, params.load(paths.params), DatasetInfo.read(paths.dataset))


def test_a_model_of_the_registry_is_trained_further(line: "Line") -> None:
    """Its run, a copy of its files, and its version are the same parent."""
    models = line.root / "models"
    run = json.loads((models / "run.json").read_text())["run_id"]
    shutil.copytree(models, line.root / "parent")
    parents = [find(line, source) for source in ("models:/line-digits/1", f"runs:/{run}", "parent")]
    assert [parent and parent.origin.source for parent in parents] == [
        "models:/line-digits/1",
        f"runs:/{run}",
        "parent",
    ]
    assert len({parent and parent.origin.sha256 for parent in parents}) == 1
    assert find(line, "parent/generator.safetensors") is not None

    start_from(line, "models:/line-digits/1", ", freeze_discriminator: 1")
    before = {name: load_file(models / f"{name}.safetensors") for name in ("generator", "discriminator")}
    train.run(line.root)
    after = {name: load_file(models / f"{name}.safetensors") for name in before}
    frozen = "discriminator.trunk.0.weight"
    assert after["discriminator"][frozen].tobytes() == before["discriminator"][frozen].tobytes()
    change = abs(after["generator"]["generator.layers.1.weight"] - before["generator"]["generator.layers.1.weight"])
    assert 0 < change.max() < 0.01, "the averages start from those of the parent"
    config = json.loads((models / "config.json").read_text())
    assert config["parent"]["source"] == "models:/line-digits/1"
    assert config["parent"]["run_id"] == run
    with (line.root / "reports" / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["images"] == "0"
    assert float(rows[0]["health_fid"]) > 0, "the parent is measured before the first step"


@pytest.mark.slow
def test_the_lineage_names_the_parent(new_line: Callable[[], "Line"]) -> None:
    line = new_line()
    run = json.loads((line.root / "models" / "run.json").read_text())["run_id"]
    start_from(line, "models:/line-digits/1")
    train.run(line.root)
    line.deliver()
    links = [link for link in lineage.chain(line.root) if "parent" in link.detail]
    assert {link.state for link in links} == {"agrees"}
    assert [link.name for link in links][:2] == [
        "models/config.json -> ONNX metadata",
        f"models/config.json -> MLflow run {run}",
    ]
    assert "models:/line-digits/1" in (line.root / "exported" / "model_card.md").read_text()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("models:/line-digits@champion", "models:/line-digits@champion: no such model in .* `ganline promote` sets"),
        ("models:/line-digits", "train.start_from models:/line-digits: a registered model is models:/NAME@ALIAS"),
        ("runs:/0123", "train.start_from runs:/0123: .* has no such run"),
        ("nowhere", "train.start_from nowhere: no such folder. Name a folder with generator.safetensors"),
        ("models", "train.start_from models: DVC removes models/ before it trains. Copy the folder"),
        ("data", "data/config.json: no such file"),
    ],
)
def test_an_address_without_a_model_is_refused(line: "Line", source: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        find(line, source)


def test_a_run_without_networks_is_refused(line: "Line") -> None:
    """Models that an earlier version exported are registered, but their networks are not stored."""
    from pipeline.tracking.mlflow_store import address, connect, open_experiment

    client = connect(address(line.root))
    run = client.create_run(open_experiment(client, "line", None)).info.run_id
    with pytest.raises(InputError, match=f"run {run} has no networks. .* run `dvc repro -f export` where the parent"):
        find(line, f"runs:/{run}")
