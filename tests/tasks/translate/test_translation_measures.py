"""Measures of translations against closed forms, verdict, metrics and rows of the report."""

from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from pipeline.arrays import Float32Array
from pipeline.evaluation.measures.copies import compare_proportions
from pipeline.evaluation.verdict import Verdict
from pipeline.measure import Measurement
from pipeline.media.registry import MEDIA
from pipeline.tasks.parts import Part, apply_gate, report_rows
from pipeline.tasks.registry import TASKS
from pipeline.tasks.translate.feature_statistics import (
    compare_distances,
    count_repeats,
    input_dependence,
    mean_distance,
    style_diversity,
)
from pipeline.tasks.translate.settings import translation_gate
from pipeline.tasks.translate.translation_evaluation import flatten
from pipeline.tasks.translate.translation_measures import MEASURES

GATE = translation_gate(MEASURES)
GOOD: dict[str, float | None] = {
    "fid": 2.0,
    "input_fid": 9.0,
    "fid_null": 1.0,
    "fid_ratio": 2 / 9,
    "fid_excess": 0.125,
    "kid": 0.01,
    "input_kid": 0.2,
    "dependence": 0.9,
    "repeats": 0.02,
    "cycle_error": 8.0,
    "cycle_ratio": 8 / 60,
    "identity_error": 5.0,
    "change": 30.0,
}
NULLS = {
    "fid_excess": 0.0,
    "dependence": 1.0,
    "target_accuracy": 1.0,
    "example_dependence": 1.0,
    "diversity_ratio": 1.0,
    "patched": 0.0,
    "fid": 1.0,
    "cycle_error": 60.0,
    "kid": 0.2,
}
ALL = frozenset({"inverse", "styles", "pairs", "coloured pairs", "recognition", "examples"})


@dataclass(frozen=True)
class Numbers:
    """A direction with given measurements."""

    values: dict[str, float | None] = field(default_factory=dict)
    title: str = "horse to deer"
    total: int = 200
    nonfinite: int = 0
    provides: frozenset[str] = frozenset({"inverse"})
    repeats_null: float = 0.01

    outliers: None = None

    @property
    def dependence(self) -> float | None:
        return self.values.get("dependence")

    @property
    def repeats(self) -> Measurement:
        value, finite = self.values.get("repeats"), self.total - self.nonfinite
        if value is None:
            return Measurement(None)
        return Measurement(
            value, self.repeats_null, compare_proportions(value, self.repeats_null, finite, finite).spread
        )

    def part(self, name: str = "a_to_b") -> Part:
        """Return the direction as the evaluation measures it."""
        measures = [measure for measure in MEASURES if not measure.needs or measure.needs in self.provides]
        found = {m.name: Measurement(self.values.get(m.name), NULLS.get(m.name)) for m in measures}
        if self.nonfinite == self.total:
            found = {m.name: Measurement(None, skip="no finite image") for m in measures}
        else:
            found["repeats"] = self.repeats
        return Part(self, f"_{name}", f" ({self.title})", measures, found)


def direction(**changes: float | None) -> Numbers:
    """Return a good direction with changes."""
    return Numbers({**GOOD, **changes})


def verdict_of(*directions: Numbers, gate: Any = None) -> Verdict:
    names = ("a_to_b", "b_to_a")
    parts = [one.part(name) for one, name in zip(directions, names, strict=False)]
    return apply_gate(parts, gate or GATE())


def normal(n: int, seed: int, d: int = 6, shift: float = 0.0) -> Float32Array:
    return (np.random.default_rng(seed).normal(size=(n, d)) + shift).astype(np.float32)


def test_distances_of_normal_distributions() -> None:
    """N(s, I) and N(0, I) in d dimensions have the distance d s^2."""
    found = compare_distances(normal(800, 1, shift=1), normal(800, 2, shift=3), normal(800, 3), normal(800, 4), 0)
    assert found is not None
    assert found.n == 800
    assert found.translated == pytest.approx(6, rel=0.1)
    assert found.inputs == pytest.approx(54, rel=0.1)
    assert found.ratio == pytest.approx(1 / 9, rel=0.15)
    assert found.excess == pytest.approx(1 / 9, rel=0.15)
    assert found.null < 0.1


def test_the_excess_of_copies_is_1_and_of_perfect_translations_0_at_any_size() -> None:
    for n in (40, 400):
        inputs, target, train = normal(n, 1, shift=1), normal(n, 2), normal(4 * n, 3)
        copies = compare_distances(inputs, inputs, target, train, 0)
        perfect = compare_distances(normal(n, 5), inputs, target, train, 0)
        assert copies is not None
        assert perfect is not None
        assert (copies.ratio, copies.excess) == (1, 1)
        assert perfect.excess == pytest.approx(0, abs=0.08), "all three distances have the same bias"


def test_equal_domains_skip_the_test_of_the_excess() -> None:
    found = compare_distances(normal(100, 1), normal(100, 2), normal(100, 3), normal(400, 4), 0)
    assert found is not None
    assert found.excess is None
    verdict = verdict_of(direction(fid_excess=found.excess))
    assert verdict.word == "pass"
    assert "as close to the target domain as its own images" in verdict.skipped[0]
    assert compare_distances(normal(9, 1), normal(9, 2), normal(100, 3), normal(100, 4), 0) is None


def test_repeats_are_closer_than_real_images() -> None:
    real, inputs = normal(200, 1), normal(200, 2)

    def repeats(translated: Float32Array, inputs: Float32Array = inputs) -> tuple[Any, float | None]:
        found = count_repeats(translated, inputs, real, 200)
        return found.value, found.null

    assert repeats(normal(200, 3)) == (0, 0)
    assert repeats(normal(200, 3) * 0.6)[0] == pytest.approx(0, abs=0.05), "smoother images are no repeats"
    prototypes = normal(20, 4)[np.arange(200) % 20] + 0.001 * normal(200, 5)
    assert repeats(prototypes) == (1, 0)
    twice = np.concatenate([inputs[:100], inputs[:100]])
    assert repeats(prototypes, twice)[1] == 0, "repeated inputs may have repeated translations"
    some = np.concatenate([inputs[:180], inputs[:20]])
    assert repeats(some, some) == (0.2, 0.2)
    assert count_repeats(real[:5], inputs, real, 5).value is None


def test_mean_distances_against_closed_forms() -> None:
    x = normal(30, 1)
    mean = np.mean([float(np.linalg.norm(a - b)) for a, b in combinations(x.astype(np.float64), 2)])
    assert mean_distance(x) == pytest.approx(mean)
    assert mean_distance(x[:1]) == 0
    assert input_dependence(x, x, x) == 0
    assert input_dependence(x, x + 1, x) == pytest.approx(np.sqrt(6) / mean)
    assert input_dependence(x[:0], x[:0], x) is None
    assert input_dependence(x, x + 1, np.ones_like(x)) is None
    assert style_diversity(np.repeat(x[:, None], 4, axis=1)) == 0
    assert style_diversity(np.stack([x, 2 * x], axis=1)) == pytest.approx(np.linalg.norm(x, axis=1).mean())


def test_settings_of_the_gate_are_derived_from_the_measures() -> None:
    assert GATE().model_dump() == {
        "fid_excess": 0.8,
        "dependence": 0.25,
        "repeats": 0.1,
        "cycle_ratio": 0.6,
        "target_accuracy": 0.8,
        "example_accuracy": 0.8,
        "example_dependence": 0.25,
        "psnr_gain": 0.0,
        "perceptual_ratio": 0.8,
        "patch_ratio": 0.8,
        "patched": 0.03,
        "outliers": 0.03,
        "far_outliers": 0.005,
        "diversity_ratio": 0.05,
    }
    medium = MEDIA["image"]
    looks = TASKS["translate"].gate(medium)().model_dump()
    assert {one.key for one in medium.appearance() if one.better is not None} - {"placement"} <= set(looks)


def test_the_tests_depend_on_what_a_direction_provides() -> None:
    def tests(*provides: str) -> list[str]:
        verdict = verdict_of(replace(direction(), provides=frozenset(provides)))
        return [test.name.split(" (")[0] for test in verdict.tests[1:]]

    always, shares = ["fid_excess", "dependence", "repeats"], ["outliers", "far_outliers"]
    assert tests() == [*always, *shares]
    assert tests("inverse", "styles") == [*always, "cycle_ratio", *shares, "diversity_ratio"]
    assert tests(*ALL) == list(GATE.model_fields)


@pytest.mark.parametrize(
    ("numbers", "name", "words"),
    [
        (
            {"fid_excess": 0.9},
            "fid_excess",
            "not like the target domain (horse to deer): fid_excess 0.9 (bound <= 0.8, real images 0). Train longer",
        ),
        ({"fid_excess": 1.0, "change": 0.4}, "fid_excess", "copies of the input (horse to deer): fid_excess 1 (bound"),
        ({"cycle_ratio": 0.7}, "cycle_ratio", "lost content (horse to deer): cycle_ratio 0.7 (bound <= 0.6). "),
        (
            {"dependence": 0.1},
            "dependence",
            "mode collapse (horse to deer): the generator ignores its input: dependence 0.1 (bound >= 0.25, "
            "real images 1). Raise",
        ),
        (
            {"repeats": 0.5},
            "repeats",
            "mode collapse (horse to deer): the generator makes fewer different images than there are real ones: "
            "repeats 0.5 (bound <= 0.1 + null, real images 0.01). Raise",
        ),
        (
            {"psnr_gain": -1.0},
            "psnr_gain",
            "no closer to the partner than the input (horse to deer): psnr_gain -1 (bound >= 0",
        ),
        (
            {"patched": 0.2},
            "patched",
            "colour patches (horse to deer): patched 0.2 (bound <= 0.03, real images 0). Some translations have",
        ),
        (
            {"target_accuracy": 0.5},
            "target_accuracy",
            "not of the target class (horse to deer): target_accuracy 0.5 (bound >= 0.8, real images 1). ",
        ),
        (
            {"target_accuracy": 0.5, "change": 0.4},
            "target_accuracy",
            "copies of the input (horse to deer): target_accuracy 0.5",
        ),
        (
            {"example_dependence": 0.1},
            "example_dependence",
            "copies of the example (horse to deer): example_dependence 0.1 (bound >= 0.25, real images 1). The style",
        ),
        (
            {"diversity_ratio": 0.0},
            "diversity_ratio",
            "styles without effect (horse to deer): diversity_ratio 0 (bound >= 0.05",
        ),
    ],
)
def test_each_bound_can_fail_and_names_its_symptom(numbers: dict[str, float], name: str, words: str) -> None:
    passing = {"psnr_gain": 3.0, "diversity_ratio": 0.3, "target_accuracy": 0.97, "example_dependence": 0.9}
    good = replace(direction(**passing), provides=ALL)
    assert verdict_of(good).word == "pass"
    bad = replace(good, values={**good.values, **numbers})
    verdict = verdict_of(bad)
    assert verdict.failed == [f"{name} (horse to deer)"]
    assert len(verdict.reasons) == 1
    assert verdict.reasons[0].startswith(words)
    off: dict[str, Any] = {name: None}
    assert verdict_of(bad, gate=GATE(**off)).word == "pass"


def test_repeats_within_chance_do_not_fail() -> None:
    few = replace(direction(repeats=0.2), repeats_null=0.0, total=10)
    assert verdict_of(few).word == "pass"
    assert verdict_of(replace(few, total=500)).word == "fail"


def test_collapse_explains_its_consequences_and_advice_is_given_once() -> None:
    bad = direction(dependence=0.01, repeats=1.0, cycle_ratio=0.9, fid_excess=12.0)
    first, second = verdict_of(bad, replace(bad, title="deer to horse")).reasons
    assert first.startswith("mode collapse (horse to deer): the generator ignores its input: dependence 0.01")
    assert "; also failed: repeats 1 (bound <= 0.1 + null, real images 0.01), fid_excess 12" in first
    assert "Raise the weight" in first
    assert second.startswith("mode collapse (deer to horse): ")
    assert "Raise the weight" not in second


def test_nonfinite_images_fail() -> None:
    verdict = verdict_of(replace(direction(), nonfinite=3))
    assert verdict.failed == ["finite images (horse to deer)"]
    assert verdict.reasons == [
        "non-finite images (horse to deer): 3 of 200 hold NaN or Inf; the generator diverged. "
        "Try a lower train.learning_rate"
    ]
    nothing = replace(direction(), nonfinite=200)
    verdict = verdict_of(nothing)
    assert all(text.endswith(": no finite image") for text in verdict.skipped)
    assert len(verdict.skipped) == 6
    metrics = flatten([nothing.part()])
    assert (metrics.pop("images"), metrics.pop("nonfinite")) == (200, 200)
    assert set(metrics.values()) == {None}
    assert report_rows([nothing.part()], verdict, GATE(), {})


def test_metrics_are_means_and_values_of_each_direction() -> None:
    flat = flatten([direction().part(), direction(fid=4.0, kid=None).part("b_to_a")])
    assert (flat["fid"], flat["fid_a_to_b"], flat["fid_b_to_a"]) == (3.0, 2.0, 4.0)
    assert (flat["kid"], flat["kid_b_to_a"]) == (0.01, None)
    assert flat["images"] == 400
    assert flatten([direction().part()])["fid_a_to_b"] == 2.0


def test_rows_show_the_null_and_the_previous_run() -> None:
    both = [direction(), replace(direction(), title="deer to horse")]
    parts = [one.part(name) for one, name in zip(both, ("a_to_b", "b_to_a"), strict=True)]
    previous = {"fid_b_to_a": 7.5, "fid_excess_b_to_a": 0.5, "kid_b_to_a": None}
    table = {row.name: row for row in report_rows(parts, verdict_of(*both), GATE(), previous)}
    fid = table["fid (deer to horse)"]
    assert (fid.value, fid.null, fid.before, fid.state) == ("2", "1", "7.5", "")
    test = table["fid_excess (deer to horse)"]
    assert (test.value, test.null, test.before, test.bound, test.state) == ("0.125", "0", "0.5", "<= 0.8", "pass")
    assert (table["cycle_error (horse to deer)"].null, table["kid (deer to horse)"].before) == ("60", "")
    assert "input_kid (horse to deer)" not in table
    assert all(row.meaning for row in table.values())
