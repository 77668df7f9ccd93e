"""The classes of a report: the worst first, and a page of a sensible size for two and for hundreds of classes."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.tasks.generate import report_classes
from pipeline.tasks.generate.evaluator import Evaluation, Evaluator
from pipeline.tasks.generate.report import Pictures, render
from pipeline.tasks.generate.report_classes import OPEN, PICTURED, ClassNumbers, class_recall, draw_classes
from pipeline.tasks.generate.report_pictures import ReportPictures
from pipeline.tasks.generate.sample_set import SampleSet

GOOD = ClassNumbers(0, "good", 50, 0.1, 0.1, presence=1.0, agreement=1.0, fid_ratio=1.0, recall=1.0, diversity=1.0)


@pytest.fixture(scope="module")
def evaluation(evaluator: Evaluator, digits: Any) -> Evaluation:
    return evaluator.evaluate(digits.fresh[digits.fresh_labels != 4])


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        ({}, False),
        ({"presence": 0.1}, False),
        ({"presence": 0.1, "rare": True}, True),
        ({"agreement": 0.5}, True),
        ({"agreement": 0.9}, False),
        ({"fid_ratio": 3.5}, True),
        ({"recall": 0.4}, True),
        ({"diversity": 0.8}, True),
        ({"agreement": None, "fid_ratio": None, "recall": None, "diversity": None, "presence": None}, False),
    ],
)
def test_a_class_is_bad_beyond_a_bound_of_the_gate(change: dict[str, Any], bad: bool) -> None:
    assert (replace(GOOD, **change).deficit > 1) == bad


def test_a_missing_class_comes_first_with_its_real_images(evaluation: Evaluation) -> None:
    blocks = draw_classes(evaluation.data, ReportPictures(evaluation.data.real.item))
    assert sorted(one.name for one in blocks) == list("0123456789")
    first = blocks[0]
    assert (first.name, first.bad, first.words["samples"]) == ("4", True, "0")
    assert first.picture
    assert first.fake == 0 < first.real
    assert [one.name for one in blocks if one.bad] == ["4"]


def test_recall_of_a_class_is_relative_to_real_items() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(400, 8)).astype(np.float32)
    alike, narrow = rng.normal(size=(300, 8)).astype(np.float32), 0.2 * rng.normal(size=(300, 8)).astype(np.float32)
    full, low = (class_recall(fake, real, 0) for fake in (alike, narrow))
    assert full == pytest.approx(1, abs=0.1)
    assert low is not None
    assert low < 0.3
    assert class_recall(alike[:9], real, 0) is None


@pytest.mark.parametrize("count", [2, 200])
def test_pages_of_few_and_of_many_classes(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    names = tuple(f"class {c}" for c in range(count))
    numbers = [replace(GOOD, number=c % 10, name=name, fid_ratio=4.0 if c < 1 else 1.0) for c, name in enumerate(names)]

    def measure(data: SampleSet) -> Sequence[ClassNumbers]:
        return numbers

    monkeypatch.setattr(report_classes, "measure_classes", measure)
    blocks = draw_classes(evaluation.data, ReportPictures(evaluation.data.real.item))
    page = render(evaluation, Pictures(b"", None, blocks), {})
    assert len(re.findall('<details class="class"', page)) == count
    assert len(re.findall('<details class="class" open', page)) == min(count, OPEN)
    assert len(re.findall('alt="Samples of class', page)) == min(count, PICTURED)
    assert len(page) < 400_000
