"""Promotion of exported models in a real registry: outcomes, repetition, kills."""

import hashlib
import html
import json
import re
import shutil
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from pipeline import params
from pipeline.errors import InputError
from pipeline.gans.registry import build
from pipeline.promotion.aliases import Registry
from pipeline.promotion.checks import Check
from pipeline.serving.runtime.generator import Graph
from pipeline.stages.commands import champion_comparison, lineage, promote
from pipeline.stages.paths import Paths
from pipeline.tracking import tracked_run
from pipeline.tracking.mlflow_store import address, connect
from pipeline.tracking.settings import TrackingSettings
from pipeline.training import model_files
from tests.clusters import threads_as_workers
from tests.gates import NO_FLOORS
from tests.processes import FORKS, wait_for_exit
from tests.specs import image_spec
from tests.waiting import find_free_port

if TYPE_CHECKING:
    from tests.stages.conftest import Line


def registry(line: "Line") -> Registry:
    return Registry(connect(address(line.root)), "line-digits")


def state(line: "Line") -> tuple[Any, ...]:
    """Return everything that a second promotion could change."""
    store = registry(line)
    versions = store.call("search_model_versions", "name = 'line-digits'")
    return (
        store.aliases(),
        sorted((v.version, sorted(v.tags.items())) for v in versions),
        (line.root / "metrics" / "promotion.json").read_bytes(),
    )


def count_evaluations(line: "Line") -> int:
    return len(list((line.root / ".ganline" / "cache" / "evaluations").glob("*.pt")))


def test_promotion_refusal_and_rollback(new_line: Callable[[], "Line"], capsys: pytest.CaptureFixture[str]) -> None:
    line = new_line()
    first = promote.run(line.root)
    assert (first["outcome"], first["champion"], first["aliases"]) == (
        "promoted",
        None,
        {"challenger": "1", "champion": "1"},
    )
    assert json.loads((line.root / "metrics" / "promotion.json").read_text()) == first
    before = state(line)
    assert promote.run(line.root) == first
    assert state(line) == before, "promotion is idempotent"
    page = line.root / "reports" / "promotion.html"
    assert not page.exists(), "there is no champion to compare with"

    line.deliver(fade=0.95)
    worse = promote.run(line.root)
    text = page.read_text()
    assert "Version 2: not promoted" in text
    assert "Challenger, version 2" in text
    assert "Champion, version 1" in text
    assert len(re.findall(r'<img src="data:image/png;base64,', text)) == 2
    assert worse["protocol"] in html.unescape(text)
    assert (worse["outcome"], worse["champion"], worse["version"]) == ("not promoted", 1, 2)
    assert worse["aliases"] == {"challenger": "2", "champion": "1"}
    assert worse["fid_verdict"] == "worse"
    assert 0 < worse["fid_low"] < worse["fid_difference"] < worse["fid_high"]
    assert any("fid is worse than the champion's (version 1)" in reason for reason in worse["reasons"])
    assert registry(line).version("2").tags["ganline.promotion.outcome"] == "not promoted"
    before = state(line)
    assert promote.run(line.root) == worse
    assert state(line) == before
    assert count_evaluations(line) == 2

    line.set(samples=400)
    line.deliver(fade=0.9)
    again = promote.run(line.root)
    assert "n_fake=400" in again["protocol"]
    assert count_evaluations(line) == 4, "another protocol evaluates the champion again"
    assert (again["outcome"], again["version"]) == ("not promoted", 3)

    store = registry(line)
    store.promote("2")
    text = promote.roll_back(line.root)
    assert text == "line-digits: version 1 is the champion again, version 2 was rolled back"
    out = capsys.readouterr()
    assert "not promoted: line-digits version 2; version 1 stays the champion" in out.out
    run = store.client.get_run(json.loads((line.root / "models" / "run.json").read_text())["run_id"])
    assert run.data.tags["ganline.promotion"] == "not promoted"
    assert "promote/fid_difference" in run.data.metrics


@pytest.mark.slow
def test_reasons_have_the_word_for_the_items_of_the_medium() -> None:
    check = Check(name="latency_ms", state="fail", value=3, reason="promote.latency_ms, the budget for one image")
    assert promote.check_row(check, "clip")["reason"] == "promote.latency_ms, the budget for one clip"
    assert "reason" not in promote.check_row(check.model_copy(update={"state": "pass"}), "clip")


def test_a_better_model_is_promoted_but_not_again_after_a_rollback(new_line: Callable[[], "Line"]) -> None:
    line = new_line()
    good = (line.root / "models" / "generator.safetensors").read_bytes()
    line.deliver(fade=0.95)
    assert promote.run(line.root)["outcome"] == "promoted"
    (line.root / "models" / "generator.safetensors").write_bytes(good)
    line.deliver(fade=0.01)
    line.set(promote=f"{{require: better, {NO_FLOORS}}}")
    found = promote.run(line.root)
    assert (found["outcome"], found["fid_verdict"]) == ("promoted", "better")
    assert found["aliases"] == {"challenger": "3", "champion": "3", "previous_champion": "2"}
    assert [check["state"] for check in found["checks"] if check["name"] == "better than champion"] == ["pass"]
    promote.roll_back(line.root)
    back = promote.run(line.root)
    assert (back["outcome"], back["aliases"]) == ("not promoted", {"challenger": "3", "champion": "2"})
    assert "was rolled back on" in back["reasons"][0]


@pytest.mark.slow
def test_workers_of_a_cluster_change_no_comparison(
    new_line: Callable[[], "Line"], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = new_line()
    line.set(samples=600)  # more than two batches
    paths = Paths(line.root)
    loaded = params.load(paths.params)
    here = champion_comparison.compare_with(paths.generator, "1", paths, loaded)
    shutil.rmtree(paths.evaluations)
    capsys.readouterr()
    with threads_as_workers(2) as address:
        monkeypatch.setenv("GANLINE_SCHEDULER", address)
        there = champion_comparison.compare_with(paths.generator, "1", paths, loaded)
    assert f"computing features on the Dask workers of {address}" in capsys.readouterr().err
    assert (there.challenger, there.measures) == (here.challenger, here.measures)


@pytest.mark.slow
def test_a_model_with_another_contract_is_held_until_it_is_accepted(new_line: Callable[[], "Line"]) -> None:
    line = new_line()
    promote.run(line.root)
    _, config = model_files.load(line.root / "models")
    config = config.model_copy(update={"model": config.model.model_copy(update={"latent": 12})})
    torch.manual_seed(0)
    model_files.save(build(config.model, config.item), config, line.root / "models")
    line.deliver()
    held = promote.run(line.root)
    assert held["outcome"] in ("held", "not promoted")
    reason = "the input z is float [-1, 12], was float [-1, 16]. `ganline promote --accept-changes`"
    assert any("held for approval" in one and reason in one for one in held["reasons"])
    accepted = promote.run(line.root, accept_changes=True)
    assert not any("held for approval" in one for one in accepted["reasons"])


KILLED = """
import os, signal
from pipeline.promotion import aliases
from pipeline.stages.commands import promote
point = aliases.Registry.point
def dying(self, alias, number):
    if alias == name:
        os.kill(os.getpid(), signal.SIGKILL)
    point(self, alias, number)
aliases.Registry.point = dying
os.environ.pop("MLFLOW_TRACKING_URI", None)
promote.run(root)
"""


@pytest.mark.slow
def test_a_promotion_killed_before_each_alias_is_completed_by_the_next(new_line: Callable[[], "Line"]) -> None:
    line = new_line()
    promote.run(line.root)
    line.deliver(fade=0.001)
    for alias in ("previous_champion", "champion"):
        child = FORKS.Process(target=exec, args=(KILLED, {"root": line.root, "name": alias}))
        child.start()
        assert wait_for_exit(child) == -signal.SIGKILL
        assert registry(line).aliases()["champion"] == "1"
    found = promote.run(line.root)
    assert (found["outcome"], found["champion"]) == ("promoted", 1)
    assert found["aliases"] == {"challenger": "2", "champion": "2", "previous_champion": "1"}


@pytest.mark.slow
def test_a_model_whose_memorisation_was_not_tested_is_held_until_it_is_approved(
    new_line: Callable[[], "Line"], capsys: pytest.CaptureFixture[str]
) -> None:
    """The model draws 90 samples, which are too few."""
    line = new_line()
    line.set(samples=90)
    file = line.root / "params.yaml"
    file.write_text(file.read_text().replace("copies: null", "copies: 0.02"))
    line.deliver()
    assert "pass, memorisation not tested: " in capsys.readouterr().out
    assert "**pass**. Not tested: memorisation" in (line.root / "exported" / "model_card.md").read_text()
    held = promote.run(line.root)
    assert (held["outcome"], held["aliases"]) == ("held", {"challenger": "2"})
    out = capsys.readouterr().out
    assert out.startswith("held: needs approval: line-digits version 2; there is no champion\n  held for approval: ")
    assert "`ganline promote --approve 2`" in out
    assert promote.run(line.root) == held
    with pytest.raises(InputError, match=r"--approve 3: the exported model is version 2 of line-digits"):
        promote.run(line.root, approve=3)
    assert promote.run(line.root, accept_changes=True) == held, "another approval"
    approved = promote.run(line.root, approve=2)
    assert (approved["outcome"], approved["aliases"]) == ("promoted", {"challenger": "2", "champion": "2"})
    tags = registry(line).version("2").tags
    assert tags["ganline.approved_by"] == approved["approved_by"]
    assert tags["ganline.approved_at"] == approved["approved_at"]
    before = state(line)
    assert promote.run(line.root) == approved
    assert state(line) == before


def test_a_broken_lineage_or_a_failed_check_is_not_promoted(new_line: Callable[[], "Line"]) -> None:
    line = new_line()
    config = line.root / "models" / "config.json"
    kept = config.read_text()
    config.write_text(kept.replace('"images_seen": ', '"images_seen": 1'))
    found = promote.run(line.root)
    assert found["outcome"] == "not promoted"
    assert any("lineage is broken" in reason and "models is modified" in reason for reason in found["reasons"])
    config.write_text(kept)
    line.set(promote="{limits: {fid_ratio: 0.001}, floors: {modes_covered: null}}")
    found = promote.run(line.root)
    assert any("promote.limits.fid_ratio" in reason for reason in found["reasons"])
    assert found["aliases"] == {"challenger": "1"}


def test_a_model_missing_from_the_registry_is_registered_again(new_line: Callable[[], "Line"]) -> None:
    line = new_line()
    registry(line).client.delete_registered_model("line-digits")
    found = promote.run(line.root)
    assert (found["outcome"], found["version"]) == ("promoted", 1)
    assert lineage.broken_links(lineage.chain(line.root)) == []


def test_another_store_is_refused_before_anything_is_written(
    new_line: Callable[[], "Line"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run of the training is not in that store, so the lineage of the model would be broken there."""
    line = new_line()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'team.db'}")
    with pytest.raises(InputError, match=r"team\.db: has no run \w+, which .*run\.json names.*Nothing was written"):
        promote.run(line.root)
    client = registry(line).client
    assert not client.search_registered_models()
    assert not client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert not (line.root / "metrics" / "promotion.json").exists()


def test_a_champion_exported_by_version_0_1_is_compared(new_line: Callable[[], "Line"]) -> None:
    """Its metadata and tags have flat keys. It takes labels; the challenger does not."""
    line = new_line()
    old = Path(__file__).parents[2] / "serving" / "fixtures" / "v0.1" / "cgan"
    content = (old / "generator.onnx").read_bytes()
    store, signature = registry(line), json.loads((old / "signature.json").read_text())
    with tracked_run.start(TrackingSettings(experiment="line", model="line-digits"), line.root) as run:
        number = run.log_model(
            old / "generator.onnx",
            signature,
            "line-digits",
            sha256=hashlib.sha256(content).hexdigest(),
            tags=Graph(old / "generator.onnx").pairs,
        )
    store.promote(number)
    outcome = promote.run(line.root)
    assert outcome["champion"] == int(number)
    assert outcome["fid_verdict"] in ("better", "worse", "equal")
    assert outcome["fid_low"] < outcome["fid_difference"] < outcome["fid_high"]
    assert registry(line).version(number).tags["ganline.resolution"] == "8"


def test_a_champion_of_another_shape_is_an_error_that_names_the_setting(
    new_line: Callable[[], "Line"], tmp_path: Path
) -> None:
    from pipeline.gans.variants.dcgan.dcgan import DCGAN
    from pipeline.gans.variants.dcgan.settings import DCGANSettings
    from pipeline.serving.onnx.graph_export import export, name_tensors
    from pipeline.serving.runtime.generator import Generator

    line = new_line()
    torch.manual_seed(0)
    (spec,) = (
        DCGAN(DCGANSettings(latent=8, generator_channels=4, discriminator_channels=4), image_spec(16, 1, 3))
        .eval()
        .export()
    )
    path = tmp_path / "other.onnx"
    metadata = Generator(line.root / "exported" / "generator.onnx").metadata.model_copy(
        update={"item": image_spec(16, 1), "latent": 8}
    )
    export(name_tensors(spec, metadata.item), path, metadata.pairs(), 20)
    paths = Paths(line.root)
    with pytest.raises(
        InputError,
        match=r"other\.onnx: the champion \(version 7\) generates gray images of 16 x 16 pixels, "
        r"but this data holds gray images of 8 x 8 pixels.*`tracking\.model`",
    ):
        champion_comparison.compare_with(path, "7", paths, params.load(paths.params))


def test_without_an_evaluation_the_error_names_the_command(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("")
    with pytest.raises(InputError, match=r"evaluation\.json: no such file; run `dvc repro evaluate`"):
        promote.run(tmp_path)


@pytest.mark.slow
def test_champion_and_challenger_on_a_server(
    new_line: Callable[[], "Line"],
    mlflow_server: Callable[[Path, int], AbstractContextManager[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Files are stored and served by the MLflow server."""
    line = new_line()
    with mlflow_server(tmp_path, find_free_port()) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with tracked_run.start(TrackingSettings(experiment="line"), line.root) as run:
            (line.root / "models" / "run.json").write_text(json.dumps(run.describe()))
        line.deliver(fade=0.001)
        assert promote.run(line.root)["outcome"] == "promoted"
        line.deliver(fade=0.95)
        shutil.rmtree(line.root / ".ganline" / "cache" / "evaluations", ignore_errors=True)
        found = promote.run(line.root)
        assert (found["outcome"], found["champion"], found["fid_verdict"]) == ("not promoted", 1, "worse")
        assert lineage.broken_links(lineage.chain(line.root)) == []
    with pytest.raises(InputError, match="MLflow"):
        promote.run(line.root)
