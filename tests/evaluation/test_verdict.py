"""Tests of measurements against their bounds, settings derived from measures, and the diagnosis of failures."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.evaluation.diagnosis import diagnose
from pipeline.evaluation.gate_settings import gate_settings
from pipeline.evaluation.verdict import Test, Verdict, apply_bound, finite_test
from pipeline.evaluation.wording import format_verdict
from pipeline.measure import Bounds, Measure, Measurement, Symptom

LOST = Symptom("dropped classes", 10, "Train longer", frozenset({"fidelity"}))
POOR = Symptom("low diversity", 20, "Use packing", causes=("vendi",))
OTHER = Symptom("low fidelity", 99, "Look at the samples")


def measure(name: str = "speed", **about: Any) -> Measure[Any]:
    return Measure(name, lambda data: data, "How fast", **about)


@pytest.mark.parametrize(
    ("about", "measurement", "setting", "row"),
    [
        ({"better": "low"}, Measurement(2.0), 2.0, Test("speed", 2.0, "<= 2")),
        ({"better": "low"}, Measurement(2.1), 2.0, Test("speed", 2.1, "<= 2", state="fail")),
        ({"better": "high"}, Measurement(1.9, 3.0), 2.0, Test("speed", 1.9, ">= 2", 3.0, "fail")),
        ({"better": "high"}, Measurement(1.9, 3.0, 1.0), 2.0, Test("speed", 1.9, ">= 2", 3.0)),
        ({"better": "high"}, Measurement(1.9), None, Test("speed", 1.9, "off", state="off")),
        ({"better": "high"}, Measurement(None), 2.0, Test("speed", None, ">= 2", state="skipped", note="why")),
        ({"better": "high"}, Measurement(1.9, skip="no"), 2.0, Test("speed", None, ">= 2", state="skipped", note="no")),
        ({"better": "high", "kind": "relative"}, Measurement(3, 4, 0.1), 0.8, Test("speed", 0.75, ">= 0.8", 1, "fail")),
        ({"better": "high", "kind": "relative", "raw": True}, Measurement(9, 10), 1,
         Test("speed", 9, ">= 10", 10, "fail")),
        ({"better": "low", "kind": "excess"}, Measurement(0.5, 0.2, 0.01), 0.25,
         Test("speed", 0.3, "<= 0.25", 0, "fail")),
        ({"better": "low", "kind": "excess", "raw": True}, Measurement(0.5, 0.2), 0.3,
         Test("speed", 0.5, "<= 0.3 + null", 0.2)),
        ({"better": "high", "kind": "excess"}, Measurement(0.3, 0.5, 0.01), 0.1,
         Test("speed", -0.2, ">= -0.1", 0, "fail")),
        ({"better": "range"}, Measurement(1.4, 1.0, 0.01), 0.25,
         Test("speed", 1.4, ">= 0.75 and <= 1.33", 1.0, "fail")),
        ({"better": "range"}, Measurement(0.5), (0.6, 1.3), Test("speed", 0.5, ">= 0.6 and <= 1.3", state="fail")),
        ({"better": "low", "confirm": lambda data, bounds: False}, Measurement(9), 1, Test("speed", 9, "<= 1")),
    ],
)  # fmt: skip
def test_a_measurement_is_compared_with_its_bound(
    about: dict[str, Any], measurement: Measurement, setting: Any, row: Test
) -> None:
    found = apply_bound(measure(missing="why", **about), measurement, None, setting)
    assert found.value == pytest.approx(row.value) if row.value is not None else found.value is None
    assert (found.name, found.bound, found.null, found.state, found.note) == (
        row.name,
        row.bound,
        row.null,
        row.state,
        row.note,
    )


def test_a_deviation_within_chance_passes_and_a_failure_has_evidence() -> None:
    about: dict[str, Any] = {"better": "low", "evidence": lambda data, bounds: f"{data} beyond {bounds.high}"}
    wide = Measurement(3.0, 1.0, 0.5)  # four standard deviations
    assert apply_bound(measure(**about), wide, "data", 2.0).state == "pass"
    assert apply_bound(measure(**about), wide, "data", 2.0, significance=3).evidence == "data beyond 2.0"


def test_the_verdict_fails_if_a_test_fails() -> None:
    tests = [
        finite_test("finite samples", 5, 5),
        finite_test("finite copies", 4, 5),
        Test("a", None, "", state="skipped", note="none"),
    ]
    verdict = Verdict(tests)
    assert (verdict.word, verdict.failed, verdict.skipped) == ("fail", ["finite copies"], ["a: none"])
    assert Verdict(tests[:1]).word == "pass"


@pytest.mark.parametrize(
    ("about", "measurement", "setting", "near"),
    [
        ({"better": "low", "kind": "excess", "raw": True}, Measurement(0.047, 0.002, 0.001), 0.05, "0.047 of 0.052"),
        ({"better": "high", "kind": "relative"}, Measurement(0.67, 1.0, 0.01), 0.6, "0.67 of 0.6"),
        ({"better": "low"}, Measurement(2.7, 1.0), 3.0, "2.7 of 3"),
        ({"better": "low"}, Measurement(3.2, 1.0, 0.5), 3.0, "3.2 of 3"),  # beyond its bound, at 4.4 deviations
        ({"better": "range"}, Measurement(1.28, 1.0, 0.01), (0.6, 1.3), "1.28 of 1.3"),
        ({"better": "high"}, Measurement(21.0), 20.0, "21 of 20"),
        ({"better": "high"}, Measurement(23.0), 20.0, None),
        ({"better": "low"}, Measurement(2.5, 1.0), 3.0, None),
        ({"better": "low"}, Measurement(2.9, 1.0, 1.0), 3.0, None),  # within chance
        ({"better": "high"}, Measurement(10, 10), 10.0, None),  # as good as real
        ({"better": "low"}, Measurement(9.0), 3.0, None),  # failed
        ({"better": "low", "confirm": lambda data, bounds: False}, Measurement(9.0), 3.0, None),
        ({"better": "low"}, Measurement(None), 3.0, None),
    ],
)
def test_passed_tests_near_their_bounds_are_named(
    about: dict[str, Any], measurement: Measurement, setting: Any, near: str | None
) -> None:
    verdict = Verdict([apply_bound(measure(**about), measurement, None, setting)])
    assert verdict.near_bounds == verdict.outcome["near_bounds"] == ([f"speed {near}"] if near else [])


def test_an_aspect_is_untested_if_all_its_tests_are_skipped() -> None:
    def tested(aspect: str, **values: Any) -> list[Test]:
        about: dict[str, Any] = {"better": "low", "aspect": aspect, "missing": "too few"}
        return [
            apply_bound(measure(f"{name}_{aspect}", **about), Measurement(value), None, bound)
            for name, (value, bound) in values.items()
        ]

    tests = [
        *tested("memorisation", a=(None, 1.0), b=(None, 1.0), c=(0.0, None)),
        *tested("diversity", a=(None, 1.0), b=(0.5, 1.0)),
        *tested("", a=(None, 1.0)),
        *tested("fidelity", a=(None, None)),
    ]
    verdict = Verdict(tests)
    assert verdict.word == "pass"
    assert verdict.untested == {"memorisation": "too few"}
    assert verdict.outcome["untested"] == ["memorisation: too few"]
    assert format_verdict(verdict.word, verdict.outcome["untested"]) == "pass, memorisation not tested"
    assert format_verdict("pass", ["a: x", "b: y"]) == "pass, a and b not tested"
    assert (format_verdict("fail", ["a: x"]), format_verdict("pass", [])) == ("fail", "pass")


def test_settings_are_derived_from_measures() -> None:
    settings = gate_settings(
        [
            measure(better="low", bound=0.5, limits={"ge": 0, "le": 1}),
            measure("ratio", better="range", bound=(0.6, 1.3)),
            measure("bright", better="range", bound=0.25, setting="look"),
            measure("colour", better="range", bound=0.25, setting="look"),
            measure("only shown"),
        ]
    )
    assert settings().model_dump() == {"speed": 0.5, "ratio": (0.6, 1.3), "look": 0.25}
    assert settings(speed=None).speed is None
    with pytest.raises(ValidationError):
        settings(speed=2)
    descriptions = {name: info.description for name, info in settings.model_fields.items()}
    assert descriptions == {
        "speed": "How fast, at most",
        "ratio": "How fast: min and max",
        "look": "bright and colour: relative deviation, at most",
    }


def test_each_failed_test_is_explained_by_the_most_specific_symptom() -> None:
    measures = [
        measure("recall", group="fidelity", symptoms=(POOR,)),
        measure("vendi", group="fidelity"),
        measure("classes", symptoms=(LOST,)),
        measure("other"),
    ]

    def failed(*names: str) -> list[Test]:
        return [Test(name, 1.0, "<= 0", state="fail") for name in names]

    found = diagnose(failed("recall", "vendi", "other"), measures, {}, OTHER)
    assert [str(one) for one in found] == [
        "low diversity: vendi 1 (bound <= 0); also failed: recall 1 (bound <= 0). Use packing",
        "low fidelity: other 1 (bound <= 0). Look at the samples",
    ]
    found = diagnose(failed("recall", "vendi", "classes"), measures, {}, OTHER)
    assert [(one.symptom.name, [test.name for test in one.tests]) for one in found] == [
        ("dropped classes", ["classes", "recall", "vendi"])
    ]
    rare = Symptom("rare", 1, "", when=lambda measurements: measurements["classes"].value == 3)
    also = [*measures[:2], measure("classes", symptoms=(rare, LOST))]
    for value, name in ((3, "rare"), (4, "dropped classes")):
        assert diagnose(failed("classes"), also, {"classes": Measurement(value)}, OTHER)[0].symptom.name == name


def test_bounds_are_formatted() -> None:
    assert [str(Bounds(*ends)) for ends in ((None, 0.005), (1234.0, None), (1 / 3, 3))] == [
        "<= 0.005",
        ">= 1234",
        ">= 0.333 and <= 3",
    ]
