"""The gate: each failure fails the verdict and is explained once, with its evidence."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.arrays import Int64Array
from pipeline.evaluation.diagnosis import diagnose
from pipeline.evaluation.measures.altered import Altered, Detector
from pipeline.evaluation.measures.modes import Modes, share_deviations
from pipeline.evaluation.measures.outliers import Outliers
from pipeline.evaluation.measures.profile_comparison import ProfileComparison
from pipeline.evaluation.reference import Ratio
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.evaluation.verdict import Test, Verdict, apply_bound
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.media.image.alterations import alterations
from pipeline.media.profiles import Change
from pipeline.media.registry import MEDIA
from pipeline.tasks.generate.evaluator import Evaluator
from pipeline.tasks.generate.gate import apply_gate, take
from pipeline.tasks.generate.measures.registry import measures_for
from pipeline.tasks.generate.sample_set import SampleSet
from pipeline.tasks.generate.symptoms import LOW_FIDELITY, is_unreal_class
from tests.digits import Labelled
from tests.gates import ALL_OFF, GateSettings

MEASURES = measures_for(MEDIA["image"])
SPREAD = 0.005
READ_BY_SYMPTOMS = ("distinct_samples", "grain", "placement_change", "constant_pixels", "class_constant_pixels")
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


LARGE = (32, 32, 3)
IN_PLACE = ("pixel_maps", "value_shares")
PROFILES = (
    *("impulses", "blocking", "tones", "chroma", "hue", "spectrum"),
    *("flat_noise", "block_noise", *IN_PLACE, "placement", "pattern_size"),
)


def profiled(**values: float) -> dict[str, ProfileComparison]:
    """Return comparisons of profiles; the defaults are those of real images."""
    mean = np.concatenate([np.full(64, 100.0), np.full(64, 10_100.0)])
    marked = mean.copy()
    marked[[7, 64 + 7]] = 255, 255**2
    shares = np.zeros((2, 64, 32))
    shares[:, :, 12] = 1
    shares[0, 7, [12, 31]] = 0.9, 0.1
    means = dict.fromkeys(PROFILES, (marked, mean)) | {"value_shares": shares.reshape(2, -1)}
    nulls = dict.fromkeys(PROFILES, 0.0) | {"gray_levels": 1.0, "grain": 1.0}
    return {
        name: ProfileComparison(Measurement(values.get(name, null), null, SPREAD), *means.get(name, (marked, mean)))
        for name, null in nulls.items()
    }


CLASSES = tuple(str(c) for c in range(10))
EVEN = np.full(10, 500, dtype=np.int64)


def modes_of(fake: Int64Array) -> Modes:
    fakes, reals = (np.eye(10)[np.repeat(np.arange(10), counts)] for counts in (fake, EVEN // 10))
    return Modes(fake, EVEN // 10, np.zeros(10), share_deviations(fakes, reals))


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
    class_repeats: float = 0.05
    measured: dict[str, Measurement] = field(default_factory=lambda: EQUAL)
    broken: int = 0
    upside_down: int = 0
    mixed: int = 0
    swapped: int = 0
    profiles: dict[str, ProfileComparison] = field(default_factory=profiled)
    change: Change | None = None
    shape: tuple[int, int, int] = (8, 8, 1)

    def outliers(self) -> Outliers:
        """Return scores of samples, of which some are unlike any real image."""
        scores = np.linspace(0, 1, self.total)
        scores[: self.broken] = 9.0
        return Outliers(scores, np.linspace(0, 1, 1000) / 0.99, 1000)

    def altered(self, item: ItemSpec) -> Altered:
        """Return scores of the first 1,000 samples, of which some look upside down or like two images in one."""
        seen = {one.name: 0 for one in alterations(item)}
        seen |= {"mirrored top to bottom": self.upside_down, "like two images in one": self.mixed}
        seen |= {"as if red and blue were swapped": self.swapped} if item.channels == 3 else {}
        scores = {name: (np.arange(1000) < count).astype(np.float64) for name, count in seen.items()}
        return Altered(
            np.arange(1000), np.full(1000, 0.5), scores, {name: Detector(0.5, 0.0, 1.0, 1000) for name in seen}
        )

    def samples(self) -> SampleSet:
        """Return a sample set whose expensive measurements are given instead of computed."""
        finite, nothing = self.total - self.nonfinite, np.empty(0, dtype=np.int64)
        split = Labelled(np.empty((0, 8, 8, 1), dtype=np.uint8), nothing)
        height, width, channels = self.shape
        item = ItemSpec(height=height, width=width, channels=channels, classes=self.classes)
        real = Evaluator(split, split, item, EvaluateSettings(gate=GateSettings()), torch.device("cpu"))
        classifier = object() if self.classes else None
        vars(real).update(classifier=classifier, extractor=classifier, classifier_accuracy=self.accuracy)
        data = SampleSet(real, np.broadcast_to(np.uint8(0), (finite, 8, 8, 1)), self.nonfinite)
        left_out = IN_PLACE if self.shape == LARGE else ()  # which are 8 x 8
        found = {name: one for name, one in self.profiles.items() if name not in left_out}
        vars(data).update(
            distinct=self.distinct if finite else None,
            frechet_distance=self.fid if finite else None,
            equal_size=Ratio(300, self.fid_ratio * 2.0, 2.0, 0.1) if finite else None,
            modes=self.modes if finite else None,
            modes_null=(0.01, 0.0),
            class_repeats=(7, Measurement(self.class_repeats, 0.05, SPREAD)) if finite else None,
            predicted=np.zeros(finite, dtype=np.int64) if self.classes else None,
            class_spread=Measurement(self.class_spread if finite else None, 1.0, SPREAD),
            manifold=self.measured if finite else {},
            appearance=self.measured if finite else {},
            copies=self.measured if finite else {},
            outliers=self.outliers() if finite else None,
            altered=self.altered(item) if finite else None,
            profiles=found if finite else {},
            class_profiles={"7": found} if finite else {},
            change=self.change,
        )
        return data


def measurements_of(data: SampleSet) -> dict[str, Measurement]:
    """Return the measurements that tests and symptoms read."""
    read = [one for one in MEASURES if one.better is not None or one.name in READ_BY_SYMPTOMS]
    return {one.name: take(one, data) for one in read}


def verdict_of(case: Case, settings: Any = None) -> Verdict:
    data = case.samples()
    return apply_gate(data, MEASURES, measurements_of(data), settings or GateSettings())


def failed_tests(case: Case) -> list[Test]:
    """Return the failed tests, without a diagnosis."""
    data, settings, measurements = case.samples(), GateSettings(), measurements_of(case.samples())
    tests = [
        apply_bound(one, measurements[one.name], data, getattr(settings, one.key))
        for one in MEASURES
        if one.better is not None and data.concerns(one.needs)
    ]
    return [test for test in tests if test.state == "fail"]


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
        ({"profiles": profiled(impulses=0.04)}, r"^impulse noise: impulses 0\.04 \(bound <= 0\.002"),
        ({"profiles": profiled(gray_levels=0.1)}, r"^posterised: gray_levels 0\.1 \(bound >= 0\.6"),
        ({"profiles": profiled(blocking=4.0), "shape": LARGE}, r"^compression artefacts: blocking 4 \(bound <= 2"),
        ({"profiles": profiled(tones=8.0)}, r"^wrong contrast: tones 8 \(bound <= 6"),
        (
            {"profiles": profiled(tones=8.0), "measured": measured(brightness=1.1)},
            r"^wrong brightness: tones 8 \(bound <= 6",
        ),
        (  # colours are stronger by as much as gray values
            {
                "profiles": profiled(chroma=14.0, tones=16.0),
                "measured": measured(contrast=1.32, colour=1.35, sharpness=1.34),
                "shape": LARGE,
            },
            r"^wrong contrast: tones 16 .*chroma 14",
        ),
        ({"profiles": profiled(chroma=8.0), "shape": LARGE}, r"^colour cast: chroma 8 \(bound <= 6"),
        ({"profiles": profiled(hue=14.0), "shape": LARGE}, r"^colour cast: hue 14 \(bound <= 8"),
        ({"profiles": profiled(spectrum=4.0)}, r"^wrong spectrum: spectrum 4 \(bound <= 3"),
        (
            {"profiles": profiled(spectrum=4.0, grain=1.6), "measured": measured(sharpness=1.6, contrast=1.15)},
            r"^over-sharpened: sharpness 1\.6 .*spectrum 4",
        ),
        (  # clipped images are as sharp as their contrast explains
            {
                "profiles": profiled(spectrum=4.0, grain=0.6, tones=10.0),
                "measured": measured(sharpness=1.22, contrast=1.13),
            },
            r"^wrong contrast: tones 10 .*",
        ),
        (
            {"profiles": profiled(pixel_maps=150.0)},
            r"^constant mark: 1\.6 % of the pixels stand out .* by up to 155 of 255 gray levels, most at row 1, "
            r"column 8 \(top right\); 1\.6 % are the same in all samples; also failed: class_pixel_maps 150",
        ),
        (
            {"profiles": profiled(value_shares=0.1), "modes": counts(c7=2)},
            r"^constant mark: 10 % of the samples have a value of 248 to 255 at row 1, column 8 of 8 x 8; "
            r"0 % of the real images have a similar value near there; also failed: modes_covered",
        ),
        (
            {"profiles": profiled(placement=20.0), "change": Change("shifted", "shifted by 4 px down", lambda x: x)},
            r"^shifted: samples are shifted by 4 px down: undone, their mean image is 20 gray levels nearer",
        ),
        (
            {"broken": 500},
            r"^broken samples: 10 % of the samples are farther .*, 10 % much farther .*; the worst are the samples 0, "
            r".*; also failed: far_outliers 0\.1 \(bound <= 0\.005, real images 0\)\. Some samples",
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
            {"measured": measured(checkerboard=3.0, sharpness=1.1), "profiles": profiled(pattern_size=8.0)},
            r"^checkerboard artefacts: checkerboard 3 \(bound <= 1\.5",
        ),
        ({"measured": measured(contrast=0.6, sharpness=0.6)}, r"^wrong contrast: contrast 0\.6"),
        ({"measured": measured(brightness=1.5)}, r"^wrong brightness"),
        ({"measured": measured(colour=0.5), "profiles": profiled(chroma=3.0)}, r"^wrong colours"),
        (
            {"measured": measured(precision=0.7)},
            r"^unreal samples: precision 0\.7 \(bound >= 0\.8, real images 1\)\. Samples lie between",
        ),
        ({"measured": measured(recall=0.4)}, r"^low diversity: recall 0\.4"),
        (
            {"class_spread": 0.6, "measured": measured(recall=0.4)},
            r"^low diversity within classes: class_spread 0\.6 .*also failed: recall 0\.4",
        ),
        (
            {"class_spread": 0.6, "measured": measured(contrast=0.9), "profiles": profiled(tones=8.0)},
            r"^low diversity within classes: class_spread 0\.6 .*also failed: tones 8",
        ),
        ({"class_spread": 0.74, "measured": measured(contrast=0.86)}, r"^wrong contrast: class_spread 0\.74"),
        (
            {"measured": measured(near_duplicates=0.96), "modes": counts(c7=2)},
            r"^intra-class collapse: near_duplicates 0\.96",
        ),
        (
            {"class_repeats": 0.6},
            r"^intra-class collapse: 60 % of the samples of 7 are nearer to another one than .* \(5 % of real images\)",
        ),
        ({"class_repeats": 0.6, "classes": (), "modes": None}, r"^intra-class collapse: .* of one cluster of similar"),
        ({"profiles": profiled(block_noise=4.0)}, r"^noisy: block_noise 4 \(bound <= 3"),
        (
            {"upside_down": 80},
            r"^turned samples: of the samples 8 % look mirrored top to bottom by the estimate of a classifier; "
            r"the clearest are the samples 0, 1, 2, 3 and 4\. Set train\.flips",
        ),
        (  # the outliers are the samples with other colours
            {"swapped": 300, "broken": 1000, "shape": LARGE},
            r"^wrong colours: .* look as if red and blue were swapped .*; also failed: .*outliers",
        ),
        ({"mixed": 80}, r"^unreal samples: of the samples 8 % look like two images in one by the estimate"),
        ({"profiles": profiled(flat_noise=4.0)}, r"^noisy: flat_noise 4 \(bound <= 3"),
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


def test_a_mark_is_the_same_in_all_samples() -> None:
    """Another brightness, or a mark on some samples, stands out in the maps too, but leaves the pixels varied."""
    mean = np.concatenate([np.full(64, 100.0), np.full(64, 10_100.0)])
    bright = np.concatenate([np.full(64, 160.0), np.full(64, 160.0**2 + 100)])
    varied = {
        name: ProfileComparison(found.measurement, bright, mean)
        for name, found in profiled(pixel_maps=60.0, tones=60.0).items()
    }
    verdict = verdict_of(Case(profiles=varied, measured=measured(brightness=1.6)))
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["wrong brightness"]
    alone = {
        name: ProfileComparison(found.measurement, bright, mean) for name, found in profiled(pixel_maps=60.0).items()
    }
    assert verdict_of(Case(profiles=alone)).reasons[0].startswith("constant mark")


@pytest.mark.parametrize(
    ("passing", "reasons"),
    [
        ({"recall", "brightness"}, {"broken samples": {"outliers", "far_outliers", "recall", "brightness"}}),
        ({"recall"}, {"wrong brightness": {"brightness", "outliers", "far_outliers", "recall"}}),
    ],
)
def test_broken_samples_explain_the_tests_that_pass_without_them(
    passing: set[str], reasons: dict[str, set[str]]
) -> None:
    """A fault of all samples makes some of them outliers, and is then the cause."""
    case = Case(broken=500, measured=measured(recall=0.3, brightness=1.5))
    data = case.samples()
    found = diagnose(
        failed_tests(case),
        MEASURES,
        measurements_of(data),
        LOW_FIDELITY,
        lambda symptom, tests: passing,
    )
    assert {one.symptom.name: {test.name for test in one.tests} for one in found} == reasons


def test_a_cause_explains_only_what_passes_without_it() -> None:
    """The pattern of two pixels is removed from the samples, which are then measured again."""
    case = Case(
        measured=measured(checkerboard=3.0, sharpness=1.1, precision=0.5),
        profiles=profiled(pattern_size=8.0, tones=9.0),
        fid_ratio=5.0,
    )
    found = diagnose(
        failed_tests(case),
        MEASURES,
        measurements_of(case.samples()),
        LOW_FIDELITY,
        lambda symptom, tests: {"tones"} if symptom.name == "checkerboard artefacts" else set(),
    )
    assert {one.symptom.name: {test.name for test in one.tests} for one in found} == {
        "checkerboard artefacts": {"checkerboard", "tones"},
        "unreal samples": {"precision", "fid_ratio"},
    }


def test_pale_images_that_are_near_others_in_pixels_alone_are_no_copies() -> None:
    pale = profiled(tones=9.0)
    alone = measured(copies_pixels=0.076, copies_features=0.0, copies_augmented=0.01, contrast=0.6)
    both = measured(copies_pixels=0.076, copies_features=0.0, copies_augmented=0.076, contrast=0.6)
    names = [
        [reason.partition(":")[0] for reason in verdict_of(Case(measured=one, profiles=pale)).reasons]
        for one in (alone, both)
    ]
    assert names[0][0] == "wrong contrast"
    assert names[1][0] == "memorisation"


def test_memorisation_comes_before_the_look_of_the_copies() -> None:
    verdict = verdict_of(Case(measured=measured(copies_augmented=0.9), profiles=profiled(tones=9.0)))
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["memorisation", "wrong contrast"]


def test_means_of_many_images_are_no_copies() -> None:
    case = Case(measured=measured(copies_augmented=0.9, precision=0.0, sharpness=0.3, contrast=0.7))
    assert [reason.partition(":")[0] for reason in verdict_of(case).reasons] == ["blurred", "memorisation"]


@pytest.mark.parametrize(
    ("outliers", "worst", "expected"),
    [(0.1, 20.0, True), (0.01, 20.0, False), (0.1, 3.0, False)],
    ids=["broken samples of one class", "real samples of a wrong class", "all classes alike"],
)
def test_a_poor_class_has_broken_samples(outliers: float, worst: float, expected: bool) -> None:
    found = {
        "outliers": Measurement(outliers, 0.01),
        "class_fid_ratio_worst": Measurement(worst),
        "class_fid_ratio_mean": Measurement(2.5),
    }
    assert is_unreal_class(found) == expected


@pytest.mark.parametrize(
    ("passing", "agreement", "names"),
    [
        ({"unreal"}, 0.9, ["poor class"]),
        (set(), 0.9, ["unreal samples"]),
        ({"unreal"}, 0.3, ["unreal samples"]),
    ],
    ids=["only its samples look unreal", "others do, too", "it shows another class"],
)
def test_a_poor_class_explains_what_passes_without_it(passing: set[str], agreement: float, names: list[str]) -> None:
    failed = [
        Test("class_fid_ratio_worst", 5.0, "<= 3", state="fail"),
        Test("unreal", 0.08, "<= 0.03", state="fail"),
    ]
    found = measurements_of(Case().samples()) | {
        "class_fid_ratio_worst": Measurement(5.0),
        "class_fid_ratio_mean": Measurement(2.0),
        "label_agreement_worst": Measurement(agreement),
    }
    diagnoses = diagnose(failed, MEASURES, found, LOW_FIDELITY, lambda symptom, tests: passing)
    assert [one.symptom.name for one in diagnoses] == names


@pytest.mark.parametrize(("levels", "flat", "name"), [(1.0, 0.0, "impulse noise"), (2.5, 0.0, "noisy")])
def test_lone_pixels_of_noise_are_no_impulses(levels: float, flat: float, name: str) -> None:
    """Noise changes all pixels, which then have more gray levels."""
    profiles = profiled(impulses=0.04, gray_levels=levels, flat_noise=flat)
    case = Case(profiles=profiles, measured=measured(sharpness=1.6))
    assert verdict_of(case).reasons[0].startswith(name)


def test_a_pattern_that_nobody_sees_is_no_checkerboard() -> None:
    """Edges in real images raise the ratio, too; they have no phase in common."""
    case = Case(measured=measured(checkerboard=3.0), profiles=profiled(pattern_size=0.7), fid_ratio=4.5)
    assert [reason.partition(":")[0] for reason in verdict_of(case).reasons] == ["low fidelity or diversity"]


@pytest.mark.parametrize(
    ("looks", "first"),
    [
        ([9.0, 7.0, 5.0, 4.0, 3.0, 2.5], "stopped while still improving"),
        ([9.0, 4.0, 2.6, 2.4, 2.5, 2.5], "low fidelity or diversity"),
        ([9.0, 5.0, float("nan")], "low fidelity or diversity"),
    ],
)
def test_a_training_that_still_improved_is_the_first_reason(looks: list[float], first: str) -> None:
    for case, reasons in ((Case(fid_ratio=4.5), [first]), (Case(), [])):
        data = case.samples()
        vars(data)["looks"] = looks
        verdict = apply_gate(data, MEASURES, measurements_of(data), GateSettings())
        assert [reason.partition(":")[0] for reason in verdict.reasons][:1] == reasons


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
        for name in ("modes_covered", "smallest_class_share", "mode_kl", "class_spread", "class_pixel_maps")
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


def test_a_few_images_over_and_over_are_neither_turned_nor_unreal() -> None:
    """One of them that looks turned makes a large share alone."""
    verdict = verdict_of(Case(upside_down=80, mixed=200, measured=measured(near_duplicates=0.5)))
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["intra-class collapse"]
    assert not {"turned", "unreal"} & set(verdict.failed)


@pytest.mark.parametrize(("value", "spread", "word"), [(23.7, 1.0, "fail"), (23.7, 6.0, "pass"), (19.0, 1.0, "pass")])
def test_a_mark_is_as_visible_as_it_is_whatever_real_images_differ_by_elsewhere(
    value: float, spread: float, word: str
) -> None:
    maps = profiled()["pixel_maps"]
    found = replace(maps, measurement=Measurement(value, 4.7, spread))
    assert verdict_of(Case(profiles=profiled() | {"pixel_maps": found})).word == word
