"""Promotion of image-to-image models in a real registry; champion and challenger are evaluated as graphs."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import onnx
import pytest
import torch

from pipeline import params
from pipeline.errors import InputError
from pipeline.promotion.checks import Against
from pipeline.serving.runtime.generator import Graph
from pipeline.stages.commands import champion_comparison, lineage, promote
from pipeline.stages.paths import Paths
from tests.stages.delivering import Project, evaluate_networks_and_graphs, project
from tests.waiting import find_free_port


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def state(made: Project) -> tuple[Any, ...]:
    """Return everything that a second promotion could change."""
    versions = made.registry.call("search_model_versions", "name = 'tests'")
    return (
        made.registry.aliases(),
        sorted((v.version, sorted(v.tags.items())) for v in versions),
        (made.root / "metrics/promotion.json").read_bytes(),
    )


def count_evaluations(made: Project) -> int:
    return len(list((made.root / ".ganline/cache/evaluations").glob("*.pt")))


def folder(made: Project, version: str) -> Path:
    """Return the folder with a version's files."""
    return Path(urlsplit(made.registry.version(version).source).path)


@pytest.mark.slow
def test_restorations_are_compared_image_by_image(empty_store: Path, tmp_path: Path) -> None:
    shutil.copy(empty_store, tmp_path)
    made = project(tmp_path, "denoise")
    made.deliver(1.0)
    first = promote.run(made.root)
    assert (first["outcome"], first["aliases"]) == ("promoted", {"challenger": "1", "champion": "1"})
    assert "fid_ratio" not in {check["name"] for check in first["checks"]}
    assert lineage.broken_links(lineage.chain(made.root)) == []
    networks, graphs = evaluate_networks_and_graphs(made.root)
    assert graphs == pytest.approx(networks, rel=1e-3, abs=1e-3)
    before = state(made)
    assert promote.run(made.root) == first
    assert state(made) == before, "promotion is idempotent"

    made.deliver(3.0)
    worse = promote.run(made.root)
    assert (worse["outcome"], worse["champion"], worse["aliases"]) == (
        "not promoted",
        1,
        {"challenger": "2", "champion": "1"},
    )
    assert worse["psnr_gaussian_30_low"] < worse["psnr_gaussian_30_difference"] < worse["psnr_gaussian_30_high"] < 0
    assert worse["psnr_gaussian_30_difference"] == pytest.approx(
        worse["psnr_gaussian_30"] - worse["psnr_gaussian_30_champion"]
    )
    assert any("psnr_gaussian_25 is worse than the champion's (version 1)" in reason for reason in worse["reasons"])
    assert worse["fid_gaussian_25_verdict"] == "worse", "the texture is worse, too"
    page = (made.root / "reports/promotion.html").read_text()
    assert "Version 2: not promoted" in page
    assert "Each input is followed by the result" in page
    assert page.count("data:image/png;base64,") == 2
    before = state(made)
    assert promote.run(made.root) == worse
    assert state(made) == before
    assert count_evaluations(made) == 2


@pytest.mark.slow
def test_a_better_restorer_is_promoted_under_another_protocol(empty_store: Path, tmp_path: Path) -> None:
    shutil.copy(empty_store, tmp_path)
    made = project(tmp_path, "denoise")
    for factor in (1.0, 3.0):
        made.deliver(factor)
        promote.run(made.root)
    assert count_evaluations(made) == 2

    made.set(promote="{require: better}", seed=1)
    made.deliver(0.2)
    better = promote.run(made.root)
    assert "seed=1" in better["protocol"]
    assert count_evaluations(made) == 4, "another protocol evaluates the champion again"
    assert (better["outcome"], better["psnr_gaussian_25_verdict"]) == ("promoted", "better")
    assert better["aliases"] == {"challenger": "3", "champion": "3", "previous_champion": "1"}
    assert promote.roll_back(made.root) == "tests: version 1 is the champion again, version 3 was rolled back"


@pytest.mark.slow
def test_translations_without_pairs_are_compared_in_each_direction(empty_store: Path, tmp_path: Path) -> None:
    shutil.copy(empty_store, tmp_path)
    made = project(tmp_path, "cyclegan")
    made.deliver(1.0)
    first = promote.run(made.root)
    assert (first["outcome"], first["aliases"]) == ("promoted", {"challenger": "1", "champion": "1"})

    made.deliver(3.0)
    second = promote.run(made.root)
    assert (second["outcome"], second["fid_a_to_b_verdict"], second["fid_b_to_a_verdict"]) == (
        "not promoted",
        "better",
        "worse",
    )
    assert [reason.split(" is ")[0] for reason in second["reasons"]] == ["fid_b_to_a", "kid_b_to_a"]
    assert (made.root / "reports/promotion.html").read_text().count("data:image/png;base64,") == 2

    # Graphs in the registry may be older, or missing.
    shutil.rmtree(made.root / ".ganline/cache/evaluations")
    made.set(promote="{diversity: 0.1}")
    (folder(made, "1") / "reverse.onnx").write_bytes((folder(made, "2") / "reverse.onnx").read_bytes())
    with pytest.raises(
        InputError,
        match=r"reverse\.onnx: this graph of the champion \(version 1\) was not exported together",
    ):
        promote.run(made.root)
    (folder(made, "1") / "reverse.onnx").unlink()
    with pytest.raises(
        InputError, match=r"reverse\.onnx: the champion \(version 1\) has no such graph.*delete the alias champion"
    ):
        promote.run(made.root)
    (made.root / "exported/reverse.onnx").unlink()
    with pytest.raises(InputError, match=r"reverse\.onnx: the challenger has no such graph.*`dvc repro -f export`"):
        side_by_side(made, folder(made, "2") / "model.onnx")


@pytest.mark.slow
def test_translations_of_pairs_are_compared_by_their_partners(empty_store: Path, tmp_path: Path) -> None:
    shutil.copy(empty_store, tmp_path)
    made = project(tmp_path, "pix2pix")
    made.deliver(1.0)
    assert promote.run(made.root)["outcome"] == "promoted"
    made.deliver(4.0)
    found = promote.run(made.root)
    assert (found["outcome"], found["psnr_a_to_b_verdict"]) == ("not promoted", "worse")
    assert "fid_a_to_b" not in found
    assert found["reasons"][0].startswith("psnr_a_to_b is worse than the champion's (version 1)")

    (folder(made, "2") / "model.onnx").write_bytes(
        with_metadata(made.root / "exported/generator.onnx", task="restore", scale=2)
    )
    with pytest.raises(
        InputError,
        match=r"task of the champion \(version 7\) is restore \(x2\), that of the challenger is translate \(x1\)"
        r".*`tracking\.model`",
    ):
        side_by_side(made, folder(made, "2") / "model.onnx")
    (folder(made, "2") / "model.onnx").write_bytes(with_metadata(made.root / "exported/generator.onnx", multiple=32))
    with pytest.raises(
        InputError,
        match=r"takes RGB images whose sides are multiples of 32, but this data holds RGB images of 16 x 16 pixels",
    ):
        side_by_side(made, folder(made, "2") / "model.onnx")


@pytest.mark.slow
def test_a_server_serves_all_graphs_of_a_model(
    mlflow_server: Callable[[Path, int], AbstractContextManager[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mlflow_server(tmp_path, find_free_port()) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        made = project(tmp_path / "project", "cyclegan")
        made.deliver(1.0)
        assert promote.run(made.root)["outcome"] == "promoted"
        made.deliver(3.0)
        found = promote.run(made.root)
        assert (found["outcome"], found["champion"], found["fid_b_to_a_verdict"]) == ("not promoted", 1, "worse")
        assert lineage.broken_links(lineage.chain(made.root)) == []


def side_by_side(made: Project, champion: Path) -> Against:
    paths = Paths(made.root)
    return champion_comparison.compare_with(champion, "7", paths, params.load(paths.params))


def with_metadata(path: Path, **changes: Any) -> bytes:
    """Return an exported graph with changes to its metadata."""
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, Graph(path).metadata.model_copy(update=changes).pairs())
    return bytes(graph.SerializeToString())
