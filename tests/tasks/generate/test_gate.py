"""The gate: each failure fails the verdict and is explained once, with its evidence."""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.arrays import Int64Array
from pipeline.evaluation.diagnosis import diagnose
from pipeline.evaluation.measures.modes import Modes
from pipeline.evaluation.reference import Ratio
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.evaluation.verdict import Verdict
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.media.registry import MEDIA
from pipeline.tasks.generate.evaluator import Evaluator, take
from pipeline.tasks.generate.gate import apply_gate
from pipeline.tasks.generate.measures.registry import measures_for
from pipeline.tasks.generate.sample_set import SampleSet
from pipeline.tasks.generate.symptoms import LOW_FIDELITY
from tests.digits import Labelled
from tests.gates import ALL_OFF, GateSettings

MEASURES = measures_for(MEDIA["image"])
SPREAD = 0.005
NULLS = {
    "near_duplicates": 0.01,
    "jsd": 0.02,
    "ndb": 0.05,
    "copies_features": 0.01,
    "copies_pixels": 0.01,
    "copies_augmented": 0.01,
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
EQUAL = {name: Measurement(null, null, SPREAD) for name, null in (dict.fromkeys(ONE, 1.0) | NULLS).items()}
"""Measurements of real images."""


def measured(**values: float) -> dict[str, Measurement]:
    return EQUAL | {name: Measurement(value, EQUAL[name].null, SPREAD) for name, value in values.items()}


CLASSES = tuple(str(c) for c in range(10))
EVEN = np.full(10, 500, dtype=np.int64)


def modes_of(fake: Int64Array) -> Modes:
    return Modes(fake, EVEN // 10, np.zeros(10))


@dataclass
class Case:
    """Measurements of samples; the defaults are those of a good generator."""

    total: int = 5000
    nonfinite: int = 0
    classes: tuple[str, ...] = CLASSES
    distinct: int = 5000
    fid: float = 1.5
    fid_ratio: float = 1.2
    modes: Modes | None = field(default_factory=lambda: modes_of(EVEN))
    accuracy: float | None = 0.98
    class_spread: float = 1.0
    measured: dict[str, Measurement] = field(default_factory=lambda: EQUAL)

    def samples(self) -> SampleSet:
        """Return a sample set whose expensive measurements are given instead of computed."""
        finite, nothing = self.total - self.nonfinite, np.empty(0, dtype=np.int64)
        split = Labelled(np.empty((0, 8, 8, 1), dtype=np.uint8), nothing)
        item = ItemSpec(height=8, width=8, channels=1, classes=self.classes)
        real = Evaluator(split, split, item, EvaluateSettings(gate=GateSettings()), torch.device("cpu"))
        classifier = object() if self.classes else None
        vars(real).update(classifier=classifier, extractor=classifier, classifier_accuracy=self.accuracy)
        data = SampleSet(real, np.broadcast_to(np.uint8(0), (finite, 8, 8, 1)), self.nonfinite)
        vars(data).update(
            distinct=self.distinct if finite else None,
            frechet_distance=self.fid if finite else None,
            equal_size=Ratio(300, self.fid_ratio * 2.0, 2.0, 0.1) if finite else None,
            modes=self.modes if finite else None,
            modes_null=(0.01, 0.0),
            class_spread=Measurement(self.class_spread if finite else None, 1.0, SPREAD),
            manifold=self.measured if finite else {},
            appearance=self.measured if finite else {},
            copies=self.measured if finite else {},
        )
        return data


def measurements_of(data: SampleSet) -> dict[str, Measurement]:
    """Return the measurements that tests and symptoms read."""
    read = [one for one in MEASURES if one.better is not None or one.name == "distinct_samples"]
    return {one.name: take(one, data) for one in read}


def verdict_of(case: Case, settings: Any = None) -> Verdict:
    data = case.samples()
    return apply_gate(data, MEASURES, measurements_of(data), settings or GateSettings())


def counts(**few: int) -> Modes:
    fake = EVEN.copy()
    for name, value in few.items():
        fake[int(name.removeprefix("c"))] = value
    return modes_of(fake)


def test_a_good_generator_passes_every_test() -> None:
    verdict = verdict_of(Case())
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
            r"^complete mode collapse: only 1 of 5,000 samples are distinct images "
            r"\(100 % are exact repeats; at most 0\.5 % may be\)\. Try model\.",
        ),
        ({"distinct": 4000}, r"^repeated samples: only 4,000 of 5,000 samples are distinct"),
        (
            {"modes": counts(c4=0, c9=3)},
            r"^dropped classes: 4 and 9 \(0 and 3 of 4,003 samples show them; .* slips .* alone\); "
            r"also failed: smallest_class_share 0 .*\. Try ",
        ),
        ({"modes": counts(c7=2)}, r"^dropped classes: 7 \(2 of 4,502 samples show it; 450 expected, 0 by slips"),
        (
            {"modes": modes_of(np.eye(10, dtype=np.int64)[3] * 5000)},
            r"^complete mode collapse: 100 % of the samples show class 3 and every other class is missing",
        ),
        (
            {"modes": counts(c0=9000)},
            r"^unbalanced classes: 1, 2, 3, 4, 5, 6, 7, 8 and 9 appear at less than 60 % of the share .*; "
            r"also failed: mode_kl [01]\.",
        ),
        (
            {"modes": counts(c0=1200, c1=1200)},
            r"^unbalanced classes: .* nats from the real one \(KL; at most 0\.06\); "
            r"most in excess is 0 \(18\.8 % against 10 %\)",
        ),
        (
            {"measured": measured(near_duplicates=0.7, recall=0.3, coverage=0.6)},
            r"^intra-class collapse: near_duplicates 0\.7 \(bound <= 0\.04 \+ null.* recall 0\.3",
        ),
        (
            {"measured": measured(copies_features=0.2)},
            r"^memorisation: copies_features 0\.2 \(bound <= 0\.02 \+ null, real images 0\.01\)\. Samples repeat",
        ),
        ({"measured": measured(copying=-30.0)}, r"^memorisation: copying -30 \(bound >= -5"),
        ({"measured": measured(authenticity=0.3)}, r"^memorisation: authenticity -0\.2 \(bound >= -0\.05"),
        (
            {"measured": measured(sharpness=0.3, contrast=0.7, precision=0.4), "modes": counts(c4=0)},
            r"^blurred: sharpness 0\.3 .*modes_covered",
        ),
        ({"measured": measured(sharpness=1.2, contrast=1.0, precision=0.5)}, r"^noisy: precision 0\.5"),
        (
            {"measured": measured(checkerboard=3.0, sharpness=1.1)},
            r"^checkerboard artefacts: checkerboard 3 \(bound <= 1\.5",
        ),
        ({"measured": measured(contrast=0.6, sharpness=0.6)}, r"^wrong contrast: contrast 0\.6"),
        ({"measured": measured(brightness=1.5)}, r"^wrong brightness"),
        ({"measured": measured(colour=0.5)}, r"^wrong colours"),
        (
            {"measured": measured(precision=0.7)},
            r"^unreal samples: precision 0\.7 \(bound >= 0\.8, real images 1\)\. Samples lie between",
        ),
        ({"measured": measured(recall=0.4)}, r"^low diversity: recall 0\.4"),
        (
            {"class_spread": 0.6, "measured": measured(recall=0.4)},
            r"^low diversity within classes: class_spread 0\.6 .*also failed: recall 0\.4",
        ),
        ({"measured": measured(density=1.6)}, r"^crowded samples: density 1\.6 \(bound >= 0\.6 and <= 1\.3"),
        ({"measured": measured(jsd=0.2)}, r"^low fidelity or diversity: jsd 0\.18"),
        (
            {"fid_ratio": 4.25},
            r"^low fidelity or diversity: .* 4\.2 times .* \(8\.5 against 2; at most 3 times\)\. Look at the samples",
        ),
    ],
)
def test_every_failure_is_named_with_its_evidence(change: dict[str, Any], reason: str) -> None:
    verdict = verdict_of(Case(**change))
    assert verdict.word == "fail"
    assert [found for found in verdict.reasons if re.search(reason, found)], verdict.reasons


def test_collapse_within_classes_comes_before_unbalanced_classes() -> None:
    """Five images per class, some of which the classifier confuses; this occurred on Fashion-MNIST."""
    verdict = verdict_of(Case(modes=counts(c6=200), measured=measured(near_duplicates=0.98, recall=0.0, coverage=0.02)))
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["intra-class collapse", "unbalanced classes"]


def test_a_bound_of_null_disables_the_test() -> None:
    off = GateSettings(**ALL_OFF)
    worst = {name: Measurement(99.0, found.null, SPREAD) for name, found in EQUAL.items()}
    verdict = verdict_of(Case(distinct=1, fid_ratio=99.0, modes=counts(c4=0, c0=4000), measured=worst), off)
    assert verdict.word == "pass"
    assert {test.name for test in verdict.tests if test.state != "off"} == {"finite samples"}
    assert verdict_of(Case(nonfinite=1), off).word == "fail", "the test for finite samples cannot be disabled"


def test_bounds_are_inclusive() -> None:
    gate = GateSettings(fid=1.5, fid_ratio=1.2, duplicate_rate=0.2)
    assert verdict_of(Case(distinct=4000), gate).word == "pass"
    assert verdict_of(Case(fid=1.51), gate).word == "fail"


def test_modes_covered_may_be_a_share_of_the_classes() -> None:
    verdict = verdict_of(
        Case(modes=counts(c4=0)), GateSettings(modes_covered=0.9, mode_kl=None, smallest_class_share=None)
    )
    assert verdict.word == "pass"


def test_without_classes_their_tests_are_skipped() -> None:
    verdict = verdict_of(Case(classes=(), modes=None, accuracy=None))
    assert verdict.word == "pass"
    assert verdict.skipped == [
        f"{name}: the data has no classes"
        for name in ("modes_covered", "smallest_class_share", "mode_kl", "class_spread")
    ]


def test_with_an_inaccurate_classifier_the_tests_of_classes_are_skipped() -> None:
    verdict = verdict_of(Case(modes=counts(c4=0), accuracy=0.15))
    assert verdict.word == "pass"
    assert "modes_covered: the accuracy of the classifier on real test images is only 15 %" in verdict.skipped[0]


def test_without_finite_samples_all_other_tests_are_skipped() -> None:
    verdict = verdict_of(Case(total=50, nonfinite=50))
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


def test_a_deviation_within_chance_is_no_failure() -> None:
    """The spread of the null is as large as the deviation from it."""
    wide = EQUAL | {"recall": Measurement(0.4, 1.0, 0.2), "copies_features": Measurement(0.05, 0.01, 0.01)}
    assert verdict_of(Case(measured=wide)).word == "pass"
    assert verdict_of(Case(measured=wide), GateSettings(significance=2.5)).word == "fail"


def test_every_failed_test_has_exactly_one_reason() -> None:
    """This holds for random combinations of failures."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        values = {
            name: Measurement((found.null or 0.0) + float(rng.choice([-1, 0, 0, 0, 1])), found.null, SPREAD)
            for name, found in EQUAL.items()
        }
        change: dict[str, Any] = {
            "measured": values,
            "fid_ratio": float(rng.choice([1, 9])),
            "distinct": int(rng.choice([1, 4000, 5000])),
            "modes": counts(c4=int(rng.choice([0, 500]))),
        }
        verdict = verdict_of(Case(**change))
        text = " ".join(verdict.reasons)
        assert (verdict.word == "fail") == bool(verdict.reasons) == bool(verdict.failed)
        found = diagnose(verdict.tests, MEASURES, measurements_of(Case(**change).samples()), LOW_FIDELITY)
        assert sorted(test.name for one in found for test in one.tests) == sorted(verdict.failed), text
