from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.diversity import Int64Array, Modes
from pipeline.evaluation.gate import Evidence, judge, listed
from pipeline.evaluation.settings import GateSettings

CLASSES = [str(c) for c in range(10)]
EVEN = np.full(10, 500, dtype=np.int64)
GOOD: dict[str, Any] = {
    "n_fake": 5000,
    "nonfinite": 0,
    "classes": CLASSES,
    "distinct": 5000,
    "fid": 1.5,
    "fid_ratio": 1.2,
    "fid_equal": 2.4,
    "fid_null": 2.0,
    "modes": Modes(EVEN, EVEN // 10, np.zeros(10)),
    "kl_null": 0.01,
    "accuracy": 0.98,
}


def modes_of(fake: Int64Array) -> Modes:
    return Modes(fake, EVEN // 10, np.zeros(10))


def counts(**few: int) -> Modes:
    fake = EVEN.copy()
    for name, value in few.items():
        fake[int(name.removeprefix("c"))] = value
    return modes_of(fake)


def test_a_good_generator_passes_every_test() -> None:
    verdict = judge(Evidence(**GOOD), GateSettings())
    assert (verdict.word, verdict.reasons, verdict.skipped) == ("pass", [], [])
    assert [test.name for test in verdict.tests] == ["finite samples", "duplicate_rate", "modes_covered", "mode_kl", "fid_ratio", "fid"]
    assert [test.state for test in verdict.tests] == ["pass"] * 5 + ["off"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"nonfinite": 12}, r"^non-finite samples: 12 of 5,000 hold NaN or Inf; the generator diverged\. Try .*train\.learning_rate"),
        (
            {"distinct": 1},
            r"^complete mode collapse: only 1 of 5,000 samples are distinct images \(100 % are exact repeats; at most 0\.5 % may be\)\. Try model\.",
        ),
        ({"distinct": 4000}, r"^repeated samples: only 4,000 of 5,000 samples are distinct"),
        (
            {"modes": counts(c4=0, c9=3)},
            r"^dropped classes: 4 and 9 \(0 and 3 of 4,003 samples show them; 400 and 400 expected, 0 and 0 by slips of the classifier alone\)\. Try ",
        ),
        ({"modes": counts(c7=2)}, r"^dropped classes: 7 \(2 of 4,502 samples show it; 450 expected, 0 by slips"),
        (
            {"modes": modes_of(np.eye(10, dtype=np.int64)[3] * 5000)},
            r"^complete mode collapse: 100 % of the samples show class 3 and every other class is missing",
        ),
        ({"modes": counts(c0=4000)}, r"^unbalanced classes: .* nats from the real one \(KL; at most 0\.06\); most in excess is 0 \(47\.1 % against 10 %\)"),
        ({"fid_ratio": 4.25, "fid_equal": 8.5}, r"^low fidelity or diversity: .* 4\.2 times .* \(8\.5 against 2; at most 3 times\)\. Look at the samples"),
    ],
)
def test_every_failure_is_named_with_its_evidence(change: dict[str, Any], reason: str) -> None:
    verdict = judge(Evidence(**{**GOOD, **change}), GateSettings())
    assert verdict.word == "fail"
    import re

    assert [found for found in verdict.reasons if re.search(reason, found)], verdict.reasons


def test_thresholds_of_null_are_off() -> None:
    off = GateSettings(fid_ratio=None, fid=None, duplicate_rate=None, modes_covered=None, mode_kl=None)
    bad = Evidence(**{**GOOD, "distinct": 1, "fid_ratio": 99.0, "modes": counts(c4=0, c0=4000)})
    verdict = judge(bad, off)
    assert verdict.word == "pass"
    assert [test.state for test in verdict.tests] == ["pass"] + ["off"] * 5
    assert judge(Evidence(**{**GOOD, "nonfinite": 1}), off).word == "fail", "no switch for samples that are not numbers"


def test_bounds_are_inclusive() -> None:
    gate = GateSettings(fid=1.5, fid_ratio=1.2, duplicate_rate=0.2)
    assert judge(Evidence(**{**GOOD, "distinct": 4000}), gate).word == "pass"
    assert judge(Evidence(**{**GOOD, "fid": 1.51}), gate).word == "fail"


def test_a_part_of_the_classes_may_be_enough() -> None:
    verdict = judge(Evidence(**{**GOOD, "modes": counts(c4=0)}), GateSettings(modes_covered=0.9, mode_kl=None))
    assert verdict.word == "pass"


def test_without_classes_their_tests_are_skipped_and_listed() -> None:
    verdict = judge(Evidence(**{**GOOD, "classes": [], "modes": None, "accuracy": None}), GateSettings())
    assert verdict.word == "pass"
    assert verdict.skipped == ["modes_covered: the data has no classes", "mode_kl: the data has no classes"]


def test_a_classifier_near_chance_judges_nothing() -> None:
    verdict = judge(Evidence(**{**GOOD, "modes": counts(c4=0), "accuracy": 0.15}), GateSettings())
    assert verdict.word == "pass"
    assert "modes_covered: the classifier names only 15 % of the real test images rightly" in verdict.skipped[0]


def test_nothing_finite_fails_and_skips_the_rest() -> None:
    verdict = judge(Evidence(n_fake=50, nonfinite=50, classes=CLASSES), GateSettings())
    assert len(verdict.reasons) == 1
    assert verdict.skipped == [f"{name}: no finite samples to measure" for name in ("duplicate_rate", "modes_covered", "mode_kl", "fid_ratio")]


def test_lists_read_as_english_and_end() -> None:
    assert [listed(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert listed([str(n) for n in range(1000)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 990 more"
