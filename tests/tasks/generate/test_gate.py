from typing import Any

import numpy as np
import pytest

from pipeline.arrays import Int64Array
from pipeline.evaluation.measures.calibration import Measured
from pipeline.evaluation.measures.modes import Modes
from pipeline.tasks.generate.gate import Evidence, judge
from pipeline.tasks.generate.settings import GateSettings
from pipeline.tasks.generate.symptoms import diagnose

SPREAD = 0.005
NULLS = {
    "near_duplicates": 0.01,
    "jsd": 0.02,
    "ndb": 0.05,
    "copies_features": 0.01,
    "copies_pixels": 0.01,
    "copying": 0.0,
    "authenticity": 0.5,
}
ONE = (
    "precision",
    "recall",
    "density",
    "coverage",
    "vendi_ratio",
    "brightness",
    "contrast",
    "sharpness",
    "checkerboard",
    "colour",
)
EQUAL = {name: Measured(null, null, SPREAD) for name, null in (dict.fromkeys(ONE, 1.0) | NULLS).items()}
"""What real images show."""


def measured(**values: float) -> dict[str, Measured]:
    return EQUAL | {name: Measured(value, EQUAL[name].null, SPREAD) for name, value in values.items()}


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
    "measured": EQUAL,
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
    states = {test.name: test.state for test in verdict.tests}
    assert {name for name, state in states.items() if state == "off"} == {"fid"}
    assert set(states) >= {
        "finite samples",
        "duplicate_rate",
        "modes_covered",
        "smallest_class_share",
        "mode_kl",
        "fid_ratio",
    } | (set(EQUAL) - {"ndb"})
    assert set(states.values()) == {"pass", "off"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"nonfinite": 12},
            r"^non-finite samples: 12 of 5,000 hold NaN or Inf; the generator diverged\. Try .*train\.learning_rate",
        ),
        (
            {"distinct": 1},
            r"^complete mode collapse: only 1 of 5,000 samples are distinct images \(100 % are exact repeats; at most 0\.5 % may be\)\. Try model\.",
        ),
        ({"distinct": 4000}, r"^repeated samples: only 4,000 of 5,000 samples are distinct"),
        (
            {"modes": counts(c4=0, c9=3)},
            r"^dropped classes: 4 and 9 \(0 and 3 of 4,003 samples show them; .* slips .* alone\) \(with it smallest_class_share 0 .*\)\. Try ",
        ),
        ({"modes": counts(c7=2)}, r"^dropped classes: 7 \(2 of 4,502 samples show it; 450 expected, 0 by slips"),
        (
            {"modes": modes_of(np.eye(10, dtype=np.int64)[3] * 5000)},
            r"^complete mode collapse: 100 % of the samples show class 3 and every other class is missing",
        ),
        (
            {"modes": counts(c0=9000)},
            r"^unbalanced classes: 1, 2, 3, 4, 5, 6, 7, 8 and 9 appear at less than 60 % of the share .* \(with it mode_kl [01]\.",
        ),
        (
            {"modes": counts(c0=1200, c1=1200)},
            r"^unbalanced classes: .* nats from the real one \(KL; at most 0\.06\); most in excess is 0 \(18\.8 % against 10 %\)",
        ),
        (
            {"measured": measured(near_duplicates=0.7, recall=0.3, coverage=0.6)},
            r"^intra-class collapse: near_duplicates 0\.7 where <= 0\.05 passes .* recall 0\.3",
        ),
        (
            {"measured": measured(copies_features=0.2)},
            r"^memorisation: copies_features 0\.2 where <= 0\.03 passes and real images show 0\.01\. Samples repeat training",
        ),
        ({"measured": measured(copying=-30.0)}, r"^memorisation: copying -30 where >= -5 passes"),
        ({"measured": measured(authenticity=0.3)}, r"^memorisation: authenticity -0\.2 where >= -0\.05 passes"),
        (
            {"measured": measured(sharpness=0.3, contrast=0.7, precision=0.4), "modes": counts(c4=0)},
            r"^blurred: sharpness 0\.3 .*modes_covered",
        ),
        ({"measured": measured(sharpness=1.2, contrast=1.0, precision=0.5)}, r"^noisy: precision 0\.5"),
        (
            {"measured": measured(checkerboard=3.0, sharpness=1.1)},
            r"^checkerboard artefacts: checkerboard 3 where <= 1\.5 passes",
        ),
        ({"measured": measured(contrast=0.6, sharpness=0.6)}, r"^wrong contrast: contrast 0\.6"),
        ({"measured": measured(brightness=1.5)}, r"^wrong brightness"),
        ({"measured": measured(colour=0.5)}, r"^wrong colours"),
        (
            {"measured": measured(precision=0.7)},
            r"^unreal samples: precision 0\.7 where >= 0\.8 passes and real images show 1\. Samples lie between",
        ),
        ({"measured": measured(recall=0.4)}, r"^low diversity: recall 0\.4"),
        ({"measured": measured(density=1.6)}, r"^crowded samples: density 1\.6 where >= 0\.6 and <= 1\.3 passes"),
        ({"measured": measured(jsd=0.2)}, r"^low fidelity or diversity: jsd 0\.18"),
        (
            {"fid_ratio": 4.25, "fid_equal": 8.5},
            r"^low fidelity or diversity: .* 4\.2 times .* \(8\.5 against 2; at most 3 times\)\. Look at the samples",
        ),
    ],
)
def test_every_failure_is_named_with_its_evidence(change: dict[str, Any], reason: str) -> None:
    verdict = judge(Evidence(**{**GOOD, **change}), GateSettings())
    assert verdict.word == "fail"
    import re

    assert [found for found in verdict.reasons if re.search(reason, found)], verdict.reasons


def test_what_few_images_repeat_is_told_before_the_classes_these_happen_to_show() -> None:
    """Five images a class, of which the classifier takes some for another class: found so on clothes."""
    verdict = judge(
        Evidence(
            **{**GOOD, "modes": counts(c6=200), "measured": measured(near_duplicates=0.98, recall=0.0, coverage=0.02)}
        ),
        GateSettings(),
    )
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["intra-class collapse", "unbalanced classes"]


def test_thresholds_of_null_are_off() -> None:
    off = GateSettings(**{name: None for name in GateSettings.model_fields if name != "significance"})
    worst = {name: Measured(99.0, found.null, SPREAD) for name, found in EQUAL.items()}
    bad = Evidence(**{**GOOD, "distinct": 1, "fid_ratio": 99.0, "modes": counts(c4=0, c0=4000), "measured": worst})
    verdict = judge(bad, off)
    assert verdict.word == "pass"
    assert {test.name for test in verdict.tests if test.state != "off"} == {"finite samples"}
    assert judge(Evidence(**{**GOOD, "nonfinite": 1}), off).word == "fail", "no switch for samples that are not numbers"


def test_bounds_are_inclusive() -> None:
    gate = GateSettings(fid=1.5, fid_ratio=1.2, duplicate_rate=0.2)
    assert judge(Evidence(**{**GOOD, "distinct": 4000}), gate).word == "pass"
    assert judge(Evidence(**{**GOOD, "fid": 1.51}), gate).word == "fail"


def test_a_part_of_the_classes_may_be_enough() -> None:
    verdict = judge(
        Evidence(**{**GOOD, "modes": counts(c4=0)}),
        GateSettings(modes_covered=0.9, mode_kl=None, smallest_class_share=None),
    )
    assert verdict.word == "pass"


def test_without_classes_their_tests_are_skipped_and_listed() -> None:
    verdict = judge(Evidence(**{**GOOD, "classes": [], "modes": None, "accuracy": None}), GateSettings())
    assert verdict.word == "pass"
    assert verdict.skipped == [
        f"{name}: the data has no classes" for name in ("modes_covered", "smallest_class_share", "mode_kl")
    ]


def test_a_classifier_near_chance_judges_nothing() -> None:
    verdict = judge(Evidence(**{**GOOD, "modes": counts(c4=0), "accuracy": 0.15}), GateSettings())
    assert verdict.word == "pass"
    assert "modes_covered: the classifier names only 15 % of the real test images rightly" in verdict.skipped[0]


def test_nothing_finite_fails_and_skips_the_rest() -> None:
    verdict = judge(Evidence(n_fake=50, nonfinite=50, classes=CLASSES), GateSettings())
    assert len(verdict.reasons) == 1
    assert {text.partition(": ")[2] for text in verdict.skipped} == {"no finite samples to measure"}
    assert {text.partition(": ")[0] for text in verdict.skipped} >= {
        "duplicate_rate",
        "modes_covered",
        "fid_ratio",
        "precision",
        "copies_pixels",
        "sharpness",
    }


def test_beyond_a_bound_but_within_chance_is_no_failure() -> None:
    """A null as wide as the deviation: the threshold alone does not decide."""
    wide = EQUAL | {"recall": Measured(0.4, 1.0, 0.2), "copies_features": Measured(0.05, 0.01, 0.01)}
    assert judge(Evidence(**{**GOOD, "measured": wide}), GateSettings()).word == "pass"
    assert judge(Evidence(**{**GOOD, "measured": wide}), GateSettings(significance=2.5)).word == "fail"


def test_every_failure_is_told_once() -> None:
    """Whatever fails together, each failed test is named in exactly one reason."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        values = {
            name: Measured(found.null + float(rng.choice([-1, 0, 0, 0, 1])), found.null, SPREAD)
            for name, found in EQUAL.items()
        }
        change = {
            "measured": values,
            "fid_ratio": float(rng.choice([1, 9])),
            "distinct": int(rng.choice([1, 4000, 5000])),
            "modes": counts(c4=int(rng.choice([0, 500]))),
        }
        verdict = judge(Evidence(**{**GOOD, **change}), GateSettings())
        text = " ".join(verdict.reasons)
        assert (verdict.word == "fail") == bool(verdict.reasons) == bool(verdict.failed)
        names = diagnose(verdict.failed, values, collapsed=change["distinct"] == 1)
        assert sorted(test for symptom in names for test in symptom.tests) == sorted(verdict.failed), text
