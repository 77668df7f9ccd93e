"""The evaluator accepts new real digits and detects every kind of damage to them."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.evaluation import real_data
from pipeline.evaluation.extractors import classifier
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.extractors.random_network import RANDOM
from pipeline.evaluation.measures.fid import Moments
from pipeline.evaluation.named_reference import NamedReference
from pipeline.evaluation.protocol import fields
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.items import ItemSpec
from pipeline.tasks.generate.evaluator import Evaluation, Evaluator
from pipeline.tasks.generate.measures.distance import fd_reference
from pipeline.tasks.generate.sample_set import SampleSet
from tests.digits import Labelled
from tests.gates import GateSettings


def with_settings(evaluator: Evaluator, **changes: Any) -> Evaluator:
    return dataclasses.replace(evaluator, settings=EvaluateSettings(**{"gate": GateSettings()} | changes))


def with_classes(evaluator: Evaluator, *classes: str) -> ItemSpec:
    return evaluator.item.model_copy(update={"classes": classes})


@pytest.fixture
def short_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train classifiers for a quarter of the steps, which suffice on a part of the digits."""
    monkeypatch.setattr(classifier, "MIN_STEPS", 50)
    monkeypatch.setattr(classifier, "MAX_STEPS", 125)


def no_nan(evaluation: Evaluation) -> None:
    json.dumps(evaluation.metrics, allow_nan=False)


def test_new_real_digits_pass(evaluator: Evaluator, digits: Any) -> None:
    evaluation = evaluator.evaluate(digits.fresh)
    metrics = evaluation.metrics
    assert (metrics["verdict"], metrics["reasons"], metrics["skipped"]) == ("pass", [], [])
    assert (metrics["modes_covered"], metrics["modes_total"]) == (10, 10)
    assert metrics["classifier_accuracy"] >= 0.97
    assert 0.5 < metrics["fid_ratio"] < 1.5
    assert abs(metrics["kid"]) < 0.05
    assert metrics["mode_kl"] < 0.1
    assert (metrics["n_real"], metrics["n_fake"], metrics["n_null"]) == (360, 360, 314)
    assert evaluation.data.predicted is not None
    assert (evaluation.data.predicted == digits.fresh_labels).mean() > 0.97
    assert fields(metrics["protocol"])["measure"] == f"fd_classifier_{metrics['features_sha256'][:8]}"
    no_nan(evaluation)


def test_the_distance_to_reference_statistics_is_measured(evaluator: Evaluator, digits: Any, tmp_path: Path) -> None:
    features, spec = evaluator.reference.real, evaluator.extractor.spec
    NamedReference(spec, "digits", "test", "f" * 64, Moments.of(features)).save(tmp_path / "digits.npz")
    measuring = with_settings(evaluator, reference=str(tmp_path / "digits.npz"))
    samples = SampleSet(measuring, digits.fresh, 0, None)
    assert fd_reference(samples) == pytest.approx(samples.frechet_distance, rel=1e-9)
    assert fd_reference(SampleSet(evaluator, digits.fresh, 0, None)) is None
    other = NamedReference(spec.model_copy(update={"sha256": "0" * 64}), "digits", "test", "f", Moments.of(features))
    other.save(tmp_path / "digits.npz")
    with pytest.raises(InputError, match=r"this evaluation have other features .weights 00000000 against"):
        with_settings(evaluator, reference=str(tmp_path / "digits.npz")).evaluate(digits.fresh)


def test_training_images_are_not_rated_better_and_are_memorisation(evaluator: Evaluator, digits: Any) -> None:
    """The classifier was trained on them, which must not lower their distance."""
    evaluation = evaluator.evaluate(digits.train.array)
    assert 0.6 < evaluation.metrics["fid_ratio"] < 1.5
    assert [reason.partition(":")[0] for reason in evaluation.verdict.reasons] == ["memorisation"]
    assert evaluation.metrics["memorization"] > 0.9
    assert evaluation.metrics["copying"] < -5


def broken(digits: Any, way: str) -> Any:
    rng = np.random.default_rng(0)
    images, labels = digits.fresh, digits.fresh_labels
    if way.startswith("without"):
        return images[~np.isin(labels, [int(c) for c in way.split()[1:]])]
    if way == "one image":
        return np.repeat(images[:1], 360, axis=0)
    if way == "noise":
        return rng.integers(0, 256, images.shape, dtype=np.uint8)
    if way == "noisy":
        return np.clip(images + rng.normal(0, 50, images.shape), 0, 255).astype(np.uint8)
    if way == "blends":
        return ((images.astype(int) + images[rng.permutation(len(images))]) // 2).astype(np.uint8)
    if way == "some rotated":
        return np.concatenate([images[:324], np.rot90(images[324:], 1, (1, 2))])
    if way == "some noise":
        return np.concatenate([images[:355], rng.integers(0, 256, images[355:].shape, dtype=np.uint8)])
    if way == "mirrored":
        return images[:, :, ::-1]
    if way == "marked":
        return images | (np.arange(64) == 56).astype(np.uint8).reshape(8, 8, 1) * np.uint8(255)
    if way == "six gray levels":
        return images // 51 * 51
    if way == "20 prototypes":
        return np.concatenate([rng.choice(images[labels == c][:20], 100) for c in range(10)])
    return np.concatenate(
        [
            images[labels != 4],
            rng.choice(images[labels == 4], 1),
            images[labels == 1],
            images[labels == 1] ^ 1,
            images[labels == 1] ^ 2,
        ]
    )


@pytest.mark.parametrize(
    ("way", "reasons"),
    [
        ("without 4", ["dropped classes: 4 ("]),
        ("without 4 9", ["dropped classes: 4 and 9 ("]),
        ("without 0 1 2 3 4", ["dropped classes: 0, 1, 2, 3 and 4 ("]),
        ("one image", ["complete mode collapse: only 1 of 360"]),
        ("noise", ["noisy: "]),
        ("noisy", ["noisy: "]),
        ("blends", ["unreal samples: "]),
        ("some rotated", ["turned samples: "]),
        ("some noise", ["broken samples: "]),
        ("mirrored", ["mirrored: samples are mirrored left to right"]),
        ("marked", ["constant mark: "]),
        ("six gray levels", ["posterised: "]),
        ("20 prototypes", ["repeated samples: only"]),
        ("mostly ones", ["repeated samples: ", "dropped classes: 4 ("]),
    ],
)
def test_every_kind_of_damage_is_named(evaluator: Evaluator, digits: Any, way: str, reasons: list[str]) -> None:
    evaluation = evaluator.evaluate(broken(digits, way))
    assert evaluation.metrics["verdict"] == "fail"
    assert len(evaluation.verdict.reasons) == len(reasons), "consequences of a failure are no reasons of their own"
    for reason in reasons:
        assert [found for found in evaluation.verdict.reasons if found.startswith(reason)], evaluation.verdict.reasons
    no_nan(evaluation)


@pytest.mark.slow
def test_a_shift_by_one_pixel_is_noted_but_is_no_failure(evaluator: Evaluator, digits: Any) -> None:
    """Without classes, in 32 x 32 pixels; two pixels are a failure with a name."""

    def enlarge(images: Any) -> Any:
        return images.repeat(4, axis=1).repeat(4, axis=2)

    def unlabelled(split: Labelled) -> Labelled:
        return Labelled(enlarge(split.array), np.full(len(split), -1), split.fingerprint + " 32 px")

    large = dataclasses.replace(
        evaluator,
        train=unlabelled(digits.train),
        test=unlabelled(digits.test),
        item=ItemSpec(height=32, width=32, channels=1),
        settings=EvaluateSettings(features="random", gate=GateSettings()),
    )
    fresh = enlarge(digits.fresh)
    near, far = (large.evaluate(np.roll(fresh, (k, k), (1, 2))) for k in (1, 2))
    assert near.verdict.word == "pass", near.verdict.reasons
    assert [note for note in near.warnings if note.startswith("samples are shifted by 1 px down and 1 px to the right")]
    assert [reason.partition(":")[0] for reason in far.verdict.reasons] == ["shifted"]
    assert not [note for note in far.warnings if "shifted" in note]


def test_order_does_not_matter_but_repetitions_do(evaluator: Evaluator, digits: Any) -> None:
    once = evaluator.evaluate(digits.fresh).metrics
    turned = evaluator.evaluate(digits.fresh[::-1]).metrics
    for name in ("fid", "duplicate_rate", "mode_kl", "modes_covered", "smallest_class_share"):
        assert turned[name] == pytest.approx(once[name], rel=1e-3)
    twice = evaluator.evaluate(np.concatenate([digits.fresh] * 2)).metrics
    assert twice["duplicate_rate"] == pytest.approx(0.5)
    assert twice["fid"] == pytest.approx(once["fid"], rel=0.2)
    assert evaluator.evaluate(digits.fresh).metrics == once, "reproducible, with and without the cache"


def test_samples_without_a_finite_one_fail(evaluator: Evaluator, digits: Any) -> None:
    evaluation = evaluator.evaluate(digits.fresh[:0], nonfinite=50)
    assert evaluation.metrics["verdict"] == "fail"
    assert evaluation.metrics["fid"] is None
    assert evaluation.metrics["nonfinite_samples"] == 50
    no_nan(evaluation)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_samples_give_finite_numbers_and_a_warning(evaluator: Evaluator, digits: Any, n: int) -> None:
    evaluation = evaluator.evaluate(digits.fresh[:n], nonfinite=0)
    assert (evaluation.metrics["fid"] is None) == (n == 1)
    assert any("cannot detect whether 0, 1" in text for text in evaluation.warnings)
    no_nan(evaluation)


@pytest.mark.parametrize("n", [2, 3, 6])
@pytest.mark.usefixtures("short_training")
def test_few_real_images_give_finite_numbers_and_a_warning(evaluator: Evaluator, digits: Any, n: int) -> None:
    """Some measures need more images than these, and are skipped."""
    small = type(digits.test)(digits.test.array[:n], digits.test.labels[:n], "4" * 64)
    few = type(digits.train)(digits.train.array[:60], digits.train.labels[:60], "5" * 64)
    evaluation = dataclasses.replace(evaluator, train=few, test=small, cache=None).evaluate(digits.fresh)
    assert any("the reference has only" in text for text in evaluation.warnings)
    no_nan(evaluation)


@pytest.mark.slow
@pytest.mark.usefixtures("short_training")
def test_constant_real_images_give_finite_numbers(evaluator: Evaluator, digits: Any) -> None:
    flat = [
        type(split)(np.full_like(split.array, 99), split.labels, split.fingerprint[:-1] + "c")
        for split in (digits.train, digits.test)
    ]
    evaluation = dataclasses.replace(evaluator, train=flat[0], test=flat[1], cache=None).evaluate(digits.fresh)
    no_nan(evaluation)
    assert evaluation.metrics["fid"] > 0


def test_constant_samples_fail(evaluator: Evaluator) -> None:
    evaluation = evaluator.evaluate(np.full((200, 8, 8, 1), 128, dtype=np.uint8))
    assert evaluation.metrics["verdict"] == "fail"
    assert evaluation.metrics["duplicate_rate"] == pytest.approx(0.995)
    no_nan(evaluation)


def test_without_labels_self_supervised_features_are_used_and_classes_are_skipped(
    evaluator: Evaluator, digits: Any
) -> None:
    bare = [
        type(split)(split.array, np.full(len(split), -1), split.fingerprint) for split in (digits.train, digits.test)
    ]
    unlabelled = dataclasses.replace(evaluator, train=bare[0], test=bare[1], item=with_classes(evaluator))
    metrics = unlabelled.evaluate(digits.fresh).metrics
    assert (metrics["verdict"], metrics["features"], metrics["modes_total"]) == ("pass", "contrastive", 0)
    assert all(
        metrics[name] is None for name in ("modes_covered", "mode_kl", "smallest_class_share", "classifier_accuracy")
    )
    assert metrics["skipped"] == [
        f"{name}: the data has no classes"
        for name in ("modes_covered", "smallest_class_share", "mode_kl", "class_spread", "class_pixel_maps")
    ]
    for way in ("one image", "noise", "noisy"):
        assert unlabelled.evaluate(broken(digits, way)).metrics["verdict"] == "fail"
    with pytest.raises(InputError, match=r"evaluate\.features is classifier"):
        dataclasses.replace(unlabelled, settings=EvaluateSettings(features="classifier", gate=GateSettings())).evaluate(
            digits.fresh
        )


def test_a_single_class_is_treated_as_no_classes(evaluator: Evaluator, digits: Any) -> None:
    ones = [
        type(split)(
            split.array[split.labels == 1], np.zeros((split.labels == 1).sum(), dtype=np.int64), split.fingerprint
        )
        for split in (digits.train, digits.test)
    ]
    metrics = (
        dataclasses.replace(evaluator, train=ones[0], test=ones[1], item=with_classes(evaluator, "1"))
        .evaluate(digits.fresh[digits.fresh_labels == 1])
        .metrics
    )
    assert (metrics["features"], metrics["modes_total"], metrics["verdict"]) == ("contrastive", 0, "pass")
    assert any("the reference has only" in text for text in metrics["warnings"])


@pytest.mark.slow
@pytest.mark.usefixtures("short_training")
def test_random_labels_are_a_warning_and_skip_the_tests_of_classes(evaluator: Evaluator, digits: Any) -> None:
    """A classifier with random labels has the accuracy of chance. With the true ones, it learns in as many steps."""
    short = dataclasses.replace(evaluator, cache=None)
    assert short.classifier_accuracy is not None
    assert short.classifier_accuracy > 0.9
    train = type(digits.train)(digits.train.array, np.random.default_rng(0).permutation(digits.train.labels), "3" * 64)
    metrics = dataclasses.replace(short, train=train).evaluate(digits.fresh).metrics
    assert metrics["classifier_accuracy"] < 0.3
    assert any("unreliable: check the labels" in text for text in metrics["warnings"])
    assert [text.split(":")[0] for text in metrics["skipped"]] == [
        "modes_covered",
        "smallest_class_share",
        "mode_kl",
        "class_spread",
        "class_pixel_maps",
    ]


def small(digits: Any, evaluator: Evaluator, train: int, test: int) -> Evaluator:
    """Return an evaluator of few images without labels."""
    parts = [
        type(part)(part.array[:n], np.full(n, -1), fingerprint * 64)
        for part, n, fingerprint in ((digits.train, train, "4"), (digits.test, test, "5"))
    ]
    item = evaluator.item.model_copy(update={"classes": ()})
    return dataclasses.replace(evaluator, train=parts[0], test=parts[1], item=item, cache=None)


def test_noisy_copies_of_small_data_are_memorisation(evaluator: Evaluator, digits: Any) -> None:
    few, rng = small(digits, evaluator, 360, 90), np.random.default_rng(0)
    images = few.train.images(rng.integers(0, 360, 500))
    noisy = np.clip(images + rng.normal(0, 10, images.shape), 0, 255).astype(np.uint8)
    evaluation = few.evaluate(noisy)
    assert "memorisation" in [reason.partition(":")[0] for reason in evaluation.verdict.reasons]
    assert {"copies_features", "copies_pixels", "copies_augmented"} <= set(evaluation.verdict.failed)


def test_with_too_few_images_the_verdict_says_what_was_not_tested(evaluator: Evaluator, digits: Any) -> None:
    metrics = small(digits, evaluator, 60, 30).evaluate(digits.fresh).metrics
    reason = "only 90 real images, 100 are needed to tell which distances are small by chance"
    assert (metrics["verdict"], metrics["untested"]) == ("pass", [f"memorisation: {reason}"])


def test_classes_are_tested_with_random_features_too(evaluator: Evaluator, digits: Any) -> None:
    metrics = (
        with_settings(evaluator, features="random", gate=GateSettings(fid_ratio=None))
        .evaluate(broken(digits, "without 4"))
        .metrics
    )
    assert (metrics["features"], metrics["modes_covered"], metrics["verdict"]) == ("random", 9, "fail")


def test_random_features_train_no_classifier(evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a classifier is trained")

    monkeypatch.setattr(real_data, "train_classifier", refuse)
    real = with_settings(evaluator, features="random")
    assert real.extractor.spec.name == RANDOM
    with pytest.raises(AssertionError, match="a classifier is trained"):
        _ = with_settings(evaluator, features="auto").extractor


def test_invalid_inputs_are_rejected(evaluator: Evaluator, digits: Any) -> None:
    with pytest.raises(InputError, match="the model was trained on other data"):
        evaluator.evaluate(np.zeros((5, 16, 16, 1), dtype=np.uint8))
    with pytest.raises(InputError, match=r"data\.test_fraction"):
        dataclasses.replace(evaluator, test=type(digits.test)(digits.test.array[:0], digits.test.labels[:0])).evaluate(
            digits.fresh
        )
    with pytest.raises(InputError, match=r"no/such\.pth.*evaluate\.features"):
        with_settings(evaluator, features="no/such.pth").evaluate(digits.fresh)
    with pytest.raises(InputError, match="items must be integers"):
        evaluator.evaluate(digits.fresh.astype(np.float32))
    assert ArrayItems(digits.fresh).images().shape == (360, 8, 8, 1)


@pytest.mark.slow
def test_gray_images_with_three_channels_are_tinted_only_if_it_is_seen(
    digits: Any, evaluator: Evaluator, short_training: None
) -> None:
    """The channels of real images are equal: any difference is infinitely larger than theirs."""
    train, test = (
        Labelled(one.array.repeat(3, axis=3), one.labels, f"{one.fingerprint[:-3]}rgb")
        for one in (digits.train, digits.test)
    )
    item = evaluator.item.model_copy(update={"channels": 3})
    coloured = dataclasses.replace(evaluator, train=train, test=test, item=item)
    fresh = digits.fresh.repeat(3, axis=3)
    noise = np.random.default_rng(0).integers(0, 2, fresh.shape)
    assert coloured.evaluate(np.minimum(fresh + noise, 255).astype(np.uint8)).verdict.reasons == []
    tinted = fresh.astype(int)
    tinted[..., 0] += 30
    reasons = coloured.evaluate(tinted.clip(0, 255).astype(np.uint8)).verdict.reasons
    assert reasons[0].startswith("colour cast") or reasons[0].startswith("wrong colours"), reasons
