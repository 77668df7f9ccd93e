"""A measure is one decorated function; settings, gate, report, metrics and summary are derived from it."""

import dataclasses
import importlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pipeline import params
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.media.registry import MEDIA
from pipeline.tasks.generate.evaluator import Evaluation, Evaluator
from pipeline.tasks.generate.measures.registry import MEASURES
from pipeline.tasks.generate.report import Pictures, render
from pipeline.tasks.registry import TASKS

EXAMPLE = "tests.tasks.generate.example_measure"
TASK, PNG = TASKS["generate"], b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture(scope="module", autouse=True)
def added() -> Iterator[None]:
    """Add the measure of the developer documentation."""
    importlib.import_module(EXAMPLE)
    yield
    del MEASURES["pixel_spread"], sys.modules[EXAMPLE]


@pytest.fixture(scope="module")
def evaluation(evaluator: Evaluator, digits: Any) -> Evaluation:
    settings = EvaluateSettings(gate=TASK.gate(MEDIA["image"])())
    return dataclasses.replace(evaluator, settings=settings).evaluate(digits.fresh // 4 + 50)


def test_its_bound_is_a_setting() -> None:
    read = params.parse("evaluate: {gate: {pixel_spread: 0.3}}", "params.yaml")
    assert read.evaluate.gate.model_dump()["pixel_spread"] == 0.3
    info = TASK.gate(MEDIA["image"]).model_fields["pixel_spread"]
    assert (info.default, info.description) == (0.2, "standard deviation of the pixels, at least")


def test_it_decides_the_verdict_and_names_the_failure(evaluation: Evaluation) -> None:
    (row,) = [test for test in evaluation.verdict.tests if test.name == "pixel_spread"]
    assert (row.state, row.bound) == ("fail", ">= 0.2")
    value = f"{evaluation.metrics['pixel_spread']:.3g}"
    first = evaluation.verdict.reasons[0]
    assert first.startswith(f"flat samples: pixel_spread {value} (bound >= 0.2); also failed: ")
    assert "fid_ratio" in first
    assert first.endswith("Train longer")


def test_metrics_report_and_summary_show_it(evaluation: Evaluation) -> None:
    assert evaluation.metrics["pixel_spread"] == pytest.approx(float(np.std(evaluation.data.images)) / 255)
    page = render(evaluation, Pictures(PNG, None), {})
    assert "standard deviation of the pixels" in page
    assert f"pixel_spread {evaluation.metrics['pixel_spread']:.4g}" in TASK.summary(evaluation.metrics)


def test_the_digest_of_the_evaluation_includes_its_code() -> None:
    assert EXAMPLE in TASK.evaluation_modules(MEDIA["image"])
