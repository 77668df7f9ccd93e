"""Translations between three classes, by translators with known behaviour: the class, and the style of an example."""

import dataclasses
import html
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.arrays import UInt8Array
from pipeline.data.store import ItemSet
from pipeline.evaluation.extractors import classifier
from pipeline.gans.base import Direction, View
from pipeline.tasks.base import EvaluationResult
from pipeline.tasks.registry import TASKS
from pipeline.tasks.translate.recognition import Recognition
from tests.specs import image_spec
from tests.tasks.translate.test_translation_evaluation import SIDE, Translator, case, gratings, swapped

CLASSES = ["horse", "deer", "zebra"]
WAYS = {"a_to_b": Direction("a", "b"), "a_to_c": Direction("a", "c")}
Like = Callable[[Tensor, Tensor, str], Tensor]


def striped(images: UInt8Array) -> UInt8Array:
    return np.ascontiguousarray(255 - images)


def three_classes(n: int, seed: int, fingerprint: str) -> ItemSet:
    images = [gratings(n, seed), swapped(gratings(n, seed + 100)), striped(gratings(n, seed + 200))]
    return ItemSet(
        shards=[np.concatenate(images)],
        shard=np.zeros(3 * n, dtype=np.int64),
        row=np.arange(3 * n),
        labels=np.repeat(np.arange(3), n),
        names=[f"{k}.png" for k in range(3 * n)],
        item=image_spec(SIDE, 3, CLASSES),
        fingerprint=fingerprint * 64,
    )


def perfect(images: Tensor, direction: str, _rng: torch.Generator | None = None) -> Tensor:
    return images.transpose(2, 3).flip(1) if direction == "a_to_b" else -images


class Guided(Translator):
    """Also translates with a given function in the style of an example."""

    like: Like

    def translate_like(self, images: Tensor, examples: Tensor, direction: str) -> Tensor:
        return self.like(images, examples, direction)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "MIN_STEPS", 30)
        yield tmp_path_factory.mktemp("classes")


def evaluate(does: Callable[..., Tensor], like: Like, root: Path) -> EvaluationResult:
    template = case(does, root, WAYS)
    item = image_spec(SIDE, 3, CLASSES)
    gan = Guided(does, WAYS, View("classes"))
    gan.like = like
    return TASKS["translate"].evaluate(
        dataclasses.replace(
            template,
            gan=gan,
            info=template.info.model_copy(update={"item": item}),
            config=template.config.model_copy(update={"item": item}),
            train=three_classes(48, 1, "a"),
            test=three_classes(20, 2, "b"),
        )
    )


def test_a_perfect_translator_has_the_class_and_the_style_of_the_example(root: Path) -> None:
    def like(images: Tensor, examples: Tensor, direction: str) -> Tensor:
        brightness = (examples - perfect(images, direction)).mean(dim=(1, 2, 3), keepdim=True)
        return perfect(images, direction) + 0.5 * brightness

    outcome = evaluate(perfect, like, root)
    found = outcome.metrics
    assert found["verdict"] == "pass", found["reasons"]
    for way in WAYS:
        assert found[f"target_accuracy_{way}"] == pytest.approx(1, abs=0.06)
        assert found[f"example_accuracy_{way}"] == pytest.approx(1, abs=0.06)
        assert found[f"input_share_{way}"] < 0.1
        assert found[f"example_dependence_{way}"] > 0.5
    assert "target class 1" in outcome.line
    page = html.unescape(outcome.page)
    assert "In the style of an example" in page
    assert "horse to zebra: inputs, examples and translations" in page


def test_a_wrong_class_and_a_returned_example_are_seen(root: Path) -> None:
    def wrong(images: Tensor, direction: str, _rng: torch.Generator) -> Tensor:
        return perfect(images, "a_to_c" if direction == "a_to_b" else "a_to_b")

    found = evaluate(wrong, lambda _images, examples, _direction: examples, root).metrics
    for way in WAYS:
        assert found[f"target_accuracy_{way}"] < 0.1
        assert found[f"example_accuracy_{way}"] == pytest.approx(1, abs=0.06), "the examples themselves are real"
        assert found[f"example_dependence_{way}"] == 0
    assert found["reasons"][0].startswith("copies of the example (horse to deer): example_dependence 0")
    assert any("target_accuracy" in reason for reason in found["reasons"])


def test_shares_are_relative_to_real_images_and_doubtful_classifiers_are_not_used() -> None:
    seen = Recognition(translated=0.6, count=100, inputs=0.1, real=0.8, by_example=None)
    measured = seen.relative(seen.translated, seen.count)
    assert measured.value == pytest.approx(0.75)
    assert (measured.null, measured.skip) == (1.0, "")
    assert measured.interval is not None
    assert measured.interval.low == pytest.approx(0.502 / 0.8, abs=0.003), "Wilson's interval of 60 in 100"
    assert measured.interval.high == pytest.approx(0.691 / 0.8, abs=0.003)
    assert seen.relative(seen.by_example, seen.examples).value is None
    assert seen.relative(0.6, 19).skip == "only 19 translations, and a share needs 20"
    assert dataclasses.replace(seen, doubt="too close to chance").relative(0.6, 100).skip == "too close to chance"
