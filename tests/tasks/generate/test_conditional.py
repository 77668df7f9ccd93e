"""A conditional generator that ignores or confuses its labels fails, and the reason names the classes."""

from typing import Any

import numpy as np
import pytest

from pipeline.arrays import Int64Array
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.evaluation.verdict import Verdict
from pipeline.tasks.generate.evaluator import Evaluator
from pipeline.tasks.generate.gate import apply_gate, take
from pipeline.tasks.generate.measures.registry import MEASURES
from pipeline.tasks.generate.sample_set import SampleSet
from tests.gates import GateSettings

READ = [
    MEASURES[name]
    for name in ("label_agreement", "label_agreement_worst", "class_fid_ratio_mean", "class_fid_ratio_worst")
]


def ask_for(evaluator: Evaluator, digits: Any, labels: Int64Array) -> tuple[SampleSet, Verdict]:
    """Return real held-out digits as samples that were conditioned on `labels`, and their verdict."""
    data = SampleSet(evaluator, digits.fresh, labels=labels)
    settings = EvaluateSettings(gate=GateSettings()).gate
    return data, apply_gate(data, READ, {one.name: take(one, data) for one in READ}, settings)  # type: ignore[arg-type]


def test_the_classes_asked_for_pass(evaluator: Evaluator, digits: Any) -> None:
    data, verdict = ask_for(evaluator, digits, digits.fresh_labels)
    assert verdict.reasons == []
    assert take(MEASURES["label_agreement"], data).number == pytest.approx(0.99, abs=0.02)


def test_ignored_labels_fail(evaluator: Evaluator, digits: Any) -> None:
    labels = np.random.default_rng(0).permutation(digits.fresh_labels)
    _, verdict = ask_for(evaluator, digits, labels)
    (reason,) = verdict.reasons
    assert reason.startswith("wrong classes: ")
    assert "% of the samples show the class asked for (99" in reason


def test_swapped_classes_are_named(evaluator: Evaluator, digits: Any) -> None:
    labels = digits.fresh_labels.copy()
    labels[digits.fresh_labels == 3], labels[digits.fresh_labels == 8] = 8, 3
    _, verdict = ask_for(evaluator, digits, labels)
    assert ": 3 and 8 are swapped; also failed: label_agreement_worst" in verdict.reasons[0]


def test_one_class_that_shows_another_is_named(evaluator: Evaluator, digits: Any) -> None:
    labels = digits.fresh_labels.copy()
    labels[labels == 1] = 7
    _, verdict = ask_for(evaluator, digits, labels)
    assert verdict.failed == ["label_agreement", "label_agreement_worst", "class_fid_ratio_worst"]
    assert len(verdict.reasons) == 1
    assert "% of 7 show 1; also failed" in verdict.reasons[0]


def test_a_class_with_some_samples_of_another_is_poor(evaluator: Evaluator, digits: Any) -> None:
    """A quarter of the eights are threes and the reverse: too few for wrong classes."""
    labels = digits.fresh_labels.copy()
    for one, other in ((3, 8), (8, 3)):
        members = np.flatnonzero(digits.fresh_labels == one)
        labels[members[: len(members) // 4]] = other
    _, verdict = ask_for(evaluator, digits, labels)
    (reason,) = verdict.reasons
    assert reason.startswith("poor class: samples of ")


def test_without_labels_there_is_nothing_to_test(evaluator: Evaluator, digits: Any) -> None:
    data = SampleSet(evaluator, digits.fresh)
    assert data.agreement is None
    assert apply_gate(data, READ, {one.name: take(one, data) for one in READ}, GateSettings()).skipped == []
    assert take(READ[0], data).skip == "the model is not conditional"
