"""Each check of a promotion."""

import re
from dataclasses import replace
from typing import Any

import pytest

from pipeline.evaluation.comparison import Comparison
from pipeline.media.registry import MEDIA
from pipeline.promotion.checks import Against, Evidence, check_all
from pipeline.promotion.settings import PromoteSettings, promote_settings
from pipeline.tasks.registry import TASKS
from pipeline.tasks.task import Task

GOOD: dict[str, Any] = {
    "verdict": "pass", "reasons": [], "fid": 2.0, "kid": 0.01, "fid_ratio": 1.5, "recall": 0.7, "recall_null": 0.8,
    "coverage": 0.9, "coverage_null": 0.95, "vendi_ratio": 0.97, "vendi_ratio_null": 1.0,
    "modes_covered": 10, "modes_total": 10,
}  # fmt: skip
EXPORT: dict[str, Any] = {"parity_max_abs": 1e-6, "latency_ms_batch_1": 3.0}
EQUAL, BETTER, WORSE = Comparison(0.0, -1.0, 1.0), Comparison(-2.0, -3.0, -1.0), Comparison(2.0, 1.0, 3.0)


IMAGES = MEDIA["image"]
GENERATE, RESTORE, TRANSLATE = (TASKS[name] for name in ("generate", "restore", "translate"))


def evidence(task: Task = GENERATE, **changes: Any) -> Evidence:
    """Return the evidence of a good model, with changes."""
    values = {"evaluation": GOOD, "export": EXPORT} | changes
    return Evidence(diversity=task.relative_diversity(values["evaluation"], IMAGES), **values)


def promotion(task: Task = GENERATE, **values: Any) -> PromoteSettings:
    """Return the settings of a task."""
    return promote_settings(tuple(task.measures(IMAGES))).model_validate(values)


def failures(settings: PromoteSettings | None = None, task: Task = GENERATE, **changes: Any) -> dict[str, str]:
    """Return the reasons of the failed checks, by name."""
    return reasons("fail", settings, task, **changes)


def reasons(state: str, settings: PromoteSettings | None, task: Task = GENERATE, **changes: Any) -> dict[str, str]:
    """Return the reasons of the checks in a state, by name."""
    checks = check_all(evidence(task, **changes), settings or promotion(task))
    return {check.name: check.reason for check in checks if check.state == state}


def compared(
    measures: dict[str, Comparison], champion: dict[str, Any], challenger: dict[str, Any], task: Task
) -> Against:
    """Return a comparison with champion version 3."""
    ours, theirs = (task.relative_diversity(metrics, IMAGES) for metrics in (challenger, champion))
    return Against("3", champion, challenger, measures, theirs, ours)


def against(fid: Comparison = EQUAL, kid: Comparison = EQUAL, **challenger: Any) -> Against:
    """Return a comparison of two good generators, with changes to the challenger."""
    return compared({"fid": fid, "kid": kid}, GOOD, GOOD | challenger, GENERATE)


def test_a_good_model_passes_with_and_without_a_champion() -> None:
    assert failures() == {}
    assert failures(against=against()) == {}
    assert failures(against=against(BETTER, BETTER)) == {}


@pytest.mark.parametrize(
    ("evaluation", "export", "name", "words"),
    [
        ({"verdict": "fail", "reasons": ["dropped classes: 4"]}, {}, "gate", "fail: dropped classes$"),
        ({"fid_ratio": 3.5}, {}, "fid_ratio", r"promote\.limits\.fid_ratio"),
        ({"fid_ratio": None}, {}, "fid_ratio", "was not measured"),
        ({"recall": 0.3}, {}, "recall", r"0\.375 relative to real images, below 0\.4 \(promote\.floors\.recall\)"),
        ({"coverage": 0.5}, {}, "coverage", r"promote\.floors\.coverage"),
        ({"vendi_ratio": 0.7}, {}, "vendi_ratio", r"promote\.floors\.vendi_ratio"),
        ({"modes_covered": 9}, {}, "modes_covered", "0.9 relative to real images"),
        ({}, {"parity_max_abs": 0.002}, "parity", r"promote\.parity"),
        ({}, {"parity_max_abs": None}, "parity", "was not measured"),
        ({}, {"latency_ms_batch_1": 150.0}, "latency_ms", r"150, above 100 \(promote\.latency_ms"),
    ],
)
def test_each_failure_is_named_with_its_setting(evaluation: Any, export: Any, name: str, words: str) -> None:
    found = failures(evaluation=GOOD | evaluation, export=EXPORT | export)
    assert list(found) == [name]
    assert re.search(words, found[name])


def test_without_classes_their_floor_is_skipped() -> None:
    assert failures(evaluation=GOOD | {"modes_covered": None, "modes_total": 0}) == {}


def test_another_contract_is_held_for_approval() -> None:
    changed = replace(against(), contract=["class 1 is 'aa', was 'b'"])
    found = reasons("held", None, against=changed)
    assert list(found) == ["contract against champion"]
    assert "held for approval" in found["contract against champion"]
    assert (
        "(version 3): class 1 is 'aa', was 'b'. `ganline promote --accept-changes`"
        in found["contract against champion"]
    )
    assert failures(against=changed) == {}


def test_a_model_that_the_gate_could_not_test_is_held() -> None:
    few = GOOD | {"untested": ["memorisation: only 90 real images, 100 are needed"]}
    cases: list[dict[str, Any]] = [{}, {"against": against()}]
    for more in cases:
        found = reasons("held", None, evaluation=few, version="7", **more)
        assert list(found) == ["untested"]
        assert "could not test memorisation (memorisation: only 90 real images, 100 are needed)" in found["untested"]
        assert "`ganline promote --approve 7`" in found["untested"]
    assert reasons("held", promotion(untested="allow"), evaluation=few) == {}
    assert reasons("held", None, evaluation=GOOD | {"untested": []}) == {}


def test_with_a_champion_the_limits_are_skipped_but_not_the_floors() -> None:
    poor = GOOD | {"fid_ratio": 9.0}
    assert failures(evaluation=poor, against=against()) == {}
    assert list(failures(evaluation=GOOD | {"recall": 0.1}, against=against())) == ["recall"]


@pytest.mark.parametrize(
    ("fid", "kid", "names"),
    [(WORSE, EQUAL, ["fid"]), (EQUAL, WORSE, ["kid"]), (BETTER, WORSE, ["kid"]), (WORSE, WORSE, ["fid", "kid"])],
)
def test_a_model_that_is_worse_than_the_champion_fails(fid: Comparison, kid: Comparison, names: list[str]) -> None:
    found = failures(against=against(fid, kid))
    assert list(found) == [f"{name} against champion" for name in names]
    assert "version 3" in next(iter(found.values()))
    assert "[1, 3]" in next(iter(found.values()))


def test_an_improvement_can_be_required() -> None:
    wanted = promotion(require="better")
    assert list(failures(wanted, against=against())) == ["better than champion"]
    assert failures(wanted, against=against(BETTER, EQUAL)) == {}


def test_diversity_must_not_be_lower_than_the_champion_s() -> None:
    found = failures(against=against(recall=0.6))
    assert list(found) == ["recall against champion"]
    assert "promote.diversity" in found["recall against champion"]
    assert failures(against=against(recall=0.65)) == {}
    assert failures(promotion(diversity=None), against=against(recall=0.1)) == {}


TRANSLATED: dict[str, Any] = {
    "verdict": "pass",
    "reasons": [],
    "psnr_a_to_b": 20.0,
    "dependence": 0.8,
    "diversity_ratio": 0.5,
}


def test_measures_that_a_model_does_not_have_are_skipped() -> None:
    settings = promotion(TRANSLATE, limits={"fid_ratio": 3.0, "kid": 0.1}, floors={"dependence": 0.1})
    evaluation = {name: value for name, value in TRANSLATED.items() if name != "dependence"}
    checks = {check.name: check.state for check in check_all(evidence(TRANSLATE, evaluation=evaluation), settings)}
    assert checks["fid_ratio"] == checks["kid"] == checks["dependence"] == "skipped"
    assert "fail" not in checks.values()
    assert failures(promotion(TRANSLATE, floors={"dependence": 0.9}), TRANSLATE, evaluation=TRANSLATED).keys() == {
        "dependence"
    }


def test_a_task_has_the_limits_and_floors_of_its_measures() -> None:
    names = {
        task.name: [
            list(bounds) for bounds in (promotion(task).limits.model_dump(), promotion(task).floors.model_dump())
        ]
        for task in (GENERATE, RESTORE, TRANSLATE)
    }
    assert names == {
        "generate": [
            ["fid_ratio", "fid", "kid"],
            ["modes_covered", "label_agreement", "recall", "coverage", "vendi_ratio"],
        ],
        "restore": [[], []],
        "translate": [["fid", "fid_ratio", "kid"], ["dependence", "diversity_ratio"]],
    }


def test_restorations_are_promoted_by_their_own_measures() -> None:
    restored = {"verdict": "pass", "reasons": [], "psnr": 30.0}
    both = compared({"psnr": EQUAL}, restored, restored, RESTORE)
    names = {
        check.name for check in check_all(evidence(RESTORE, evaluation=restored, against=both), promotion(RESTORE))
    }
    assert "dependence against champion" not in names


def translations(psnr: Comparison, psnr_back: Comparison | None = None, **challenger: float) -> dict[str, Any]:
    """Return the evidence of two translators, with changes to the challenger."""
    measures = {"psnr_a_to_b": psnr} | ({"psnr_b_to_a": psnr_back} if psnr_back else {})
    both = compared(measures, TRANSLATED, TRANSLATED | challenger, TRANSLATE)
    return {"task": TRANSLATE, "evaluation": TRANSLATED, "against": both}


def test_translations_must_depend_on_input_and_style_as_much_as_the_champion_s() -> None:
    equal = Comparison(0.0, -1.0, 1.0, higher_is_better=True)
    assert failures(**translations(equal, dependence=0.73, diversity_ratio=0.46)) == {}
    found = failures(**translations(equal, dependence=0.7, diversity_ratio=0.4))
    assert list(found) == ["dependence against champion", "diversity_ratio against champion"]
    assert "is 0.7, the champion's is 0.8" in found["dependence against champion"]


def test_higher_values_can_be_better() -> None:
    gained, lost = Comparison(2.0, 1.0, 3.0, higher_is_better=True), Comparison(-2.0, -3.0, -1.0, higher_is_better=True)
    assert (gained.verdict, lost.verdict) == ("better", "worse")
    reason = failures(**translations(lost))["psnr_a_to_b against champion"]
    assert "psnr_a_to_b is worse than the champion's (version 3)" in reason
    better = promotion(require="better")
    assert failures(better, **translations(gained, EQUAL)) == {}
    found = failures(better, **translations(EQUAL, EQUAL))
    assert "none of psnr_a_to_b, psnr_b_to_a is significantly better" in found["better than champion"]


def test_a_broken_lineage_and_a_model_that_was_rolled_back_fail() -> None:
    assert "models is modified" in failures(broken=["dvc.lock -> models: models is modified"])["lineage"]
    assert "2026-01-01" in failures(rolled_back="2026-01-01T00:00:00+00:00")["rolled back"]
