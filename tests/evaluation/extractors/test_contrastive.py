"""The self-supervised network: reproducible weights, any shape of items, and what it sees without labels."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.evaluation.extractors import contrastive as module
from pipeline.evaluation.extractors.contrastive import compare_views, train_contrastive
from pipeline.evaluation.reference import select_calibration
from pipeline.items import ItemSpec
from pipeline.media.distortion import distort
from pipeline.tasks.generate.evaluator import Evaluator
from tests.digits import Labelled
from tests.specs import image_spec

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def unlabelled(evaluator: Evaluator, digits: Any) -> Evaluator:
    """Return an evaluator of the digits that sees no labels."""
    train, test = (
        Labelled(split.array, np.full(len(split), -1), split.fingerprint) for split in (digits.train, digits.test)
    )
    return dataclasses.replace(evaluator, train=train, test=test, item=image_spec(8, 1))


def test_half_of_the_classes_are_missed_without_labels(unlabelled: Evaluator, digits: Any) -> None:
    real = unlabelled.evaluate(digits.fresh)
    assert (real.verdict.word, real.metrics["features"]) == ("pass", "contrastive")
    assert real.metrics["recognition"] > 0.4
    assert not [text for text in real.warnings if "features" in text and "self-supervised" in text]
    half = unlabelled.evaluate(digits.fresh[digits.fresh_labels < 5])
    assert "coverage" in half.verdict.failed
    assert [reason.partition(":")[0] for reason in half.verdict.reasons] == ["low diversity"]


def test_equal_data_gives_equal_weights_from_the_cache_too(unlabelled: Evaluator, digits: Any) -> None:
    held, item = select_calibration(digits.train, digits.test), image_spec(8, 1)
    cached = train_contrastive(digits.train, held, item, CPU, folder=unlabelled.cache)
    assert cached.spec.sha256 == unlabelled.extractor.spec.sha256
    assert cached.accuracy == unlabelled.recognition


def test_two_trainings_give_the_same_weights(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STEPS", 2)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = (train_contrastive(digits.train, np.arange(50), image_spec(8, 1), CPU) for _ in range(2))
    assert (first.spec.sha256, first.accuracy) == (second.spec.sha256, second.accuracy)
    assert torch.equal(torch.rand(3), expected), "the global random state is unchanged"


@pytest.mark.parametrize("shape", [(6, 10, 1), (1, 7, 2), (1, 500, 1), (33, 9, 3)])
def test_any_shape(shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STEPS", 1)
    height, width, channels = shape
    items = np.random.default_rng(0).integers(0, 256, (12, *shape)).astype(np.uint8)
    item = ItemSpec(height=height, width=width, channels=channels)
    found = train_contrastive(Labelled(items, np.full(12, -1)), np.arange(4), item, CPU)
    assert np.isfinite(found.features(items)).all()


def test_categories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STEPS", 1)
    items = np.random.default_rng(0).integers(0, 5, (12, 6, 10, 2)).astype(np.uint8)
    item = ItemSpec(height=6, width=10, channels=2, symbols=5)
    found = train_contrastive(Labelled(items, np.full(12, -1)), np.arange(4), item, CPU)
    assert np.isfinite(found.features(items)).all()


@pytest.mark.slow
def test_features_that_recognise_nothing_are_not_used_for_tests_of_diversity(
    unlabelled: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Items that differ in nothing but noise have no content that two views could share."""
    monkeypatch.setattr(module, "MAX_STEPS", 2)
    items = (128 + np.random.default_rng(0).integers(0, 2, (600, 8, 8, 1))).astype(np.uint8)
    train, test = (
        Labelled(part, np.full(len(part), -1), name) for part, name in ((items[:400], "a"), (items[400:], "b"))
    )
    blind = dataclasses.replace(unlabelled, train=train, test=test, cache=None)
    found = blind.evaluate(items[200:400])
    assert found.metrics["recognition"] < 0.1
    skipped = {text.partition(":")[0] for text in found.verdict.skipped if "recognise only" in text}
    assert skipped == {"recall", "coverage", "vendi_ratio", "jsd"}
    assert any("cannot show what samples lack" in text for text in found.warnings)
    # `ganline promote` is held by what is untested.
    assert [text.partition(":")[0] for text in found.metrics["untested"]] == ["diversity"]


def test_views_of_an_item_are_partners() -> None:
    logits, targets = compare_views(torch.eye(3).repeat(2, 1))
    assert targets.tolist() == [3, 4, 5, 0, 1, 2]
    assert (logits.argmax(dim=1) == targets).all()


def test_distortion_keeps_what_is_constant_within_items() -> None:
    values = torch.full((4, 2, 5, 1), 100.0)
    found = distort(values, torch.Generator().manual_seed(0))
    assert found.shape == values.shape
    assert torch.allclose(found.amax(dim=(2, 3)), found.amin(dim=(2, 3)))
    assert not torch.allclose(found[0], found[1]), "each item is distorted in its own way"
