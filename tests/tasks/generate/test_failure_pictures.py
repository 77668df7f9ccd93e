"""The pictures of failed tests: the right samples, in front, next to the real items that they resemble."""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from pipeline.arrays import Items, UInt8Array
from pipeline.tasks.generate.evaluator import Evaluation, Evaluator
from pipeline.tasks.generate.failure_pictures import FailurePictures, draw_failures
from pipeline.tasks.generate.measures.registry import measures_for
from pipeline.tasks.generate.report import Pictures, render
from pipeline.tasks.generate.report_pictures import ReportPictures
from pipeline.tasks.generate.sample_set import SampleSet


@dataclass(frozen=True)
class Recorder(ReportPictures):
    """Keeps the items of each sheet, with the number of columns."""

    sheets: list[tuple[Items, int]] = field(default_factory=list)

    def sheet(self, items: Items, columns: int | None = None, cell: int = 64) -> bytes:
        self.sheets.append((items, columns or 0))
        return super().sheet(items, columns, cell)


def pictures_of(evaluator: Evaluator, images: UInt8Array, labels: Any = None) -> tuple[FailurePictures, Recorder]:
    draw = Recorder(evaluator.item)
    return FailurePictures(SampleSet(evaluator, images, labels=labels), draw), draw


@pytest.fixture(scope="module")
def failed(evaluator: Evaluator, digits: Any) -> Evaluation:
    return evaluator.evaluate(digits.fresh[digits.fresh_labels != 4])


@pytest.fixture
def samples(digits: Any) -> UInt8Array:
    return np.array(digits.fresh[:120])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("copies_features", lambda image: image),
        ("copies_pixels", lambda image: image),
        ("copies_augmented", lambda image: image[:, ::-1]),
    ],
)
def test_a_copy_is_above_its_training_image(
    evaluator: Evaluator, digits: Any, samples: UInt8Array, name: str, change: Any
) -> None:
    original = digits.train.images([50])[0]
    samples[33] = change(original)
    pictures, draw = pictures_of(evaluator, samples)
    (measure,) = [one for one in measures_for(evaluator.medium) if one.name == name]
    method, arguments = pictures.source(measure)
    (exhibit,) = method(pictures, *arguments)
    ((shown, columns),) = draw.sheets
    assert "training image" in exhibit.caption
    assert (shown[0] == samples[33]).all()
    assert (shown[columns] == original).all()


def test_the_most_frequent_sample_comes_first(evaluator: Evaluator, samples: UInt8Array) -> None:
    samples[20:26] = samples[5]
    samples[40] = samples[7]
    pictures, draw = pictures_of(evaluator, samples)
    (exhibit,) = pictures.repeats()
    assert "7, 2 times" in exhibit.caption
    assert (draw.sheets[0][0] == samples[[5, 7]]).all()


def test_the_closest_pair_comes_first(evaluator: Evaluator, samples: UInt8Array) -> None:
    samples[61] = samples[60]
    samples[61, 0, 0] ^= 1
    pictures, draw = pictures_of(evaluator, samples)
    pictures.twins()
    shown, columns = draw.sheets[0]
    assert (shown[[0, columns]] == samples[[60, 61]]).all()


def test_statistics_show_the_extreme_samples(evaluator: Evaluator, samples: UInt8Array) -> None:
    samples[11] = 0
    pictures, draw = pictures_of(evaluator, samples // 2)
    (exhibit,) = pictures.extremes("brightness")
    assert "lowest brightness" in exhibit.caption
    assert (draw.sheets[0][0][0] == 0).all()


def test_the_clearest_altered_samples_are_above_real_items(
    evaluator: Evaluator, digits: Any, samples: UInt8Array
) -> None:
    samples[7::10] = 255 - samples[7::10]
    pictures, draw = pictures_of(evaluator, samples)
    (exhibit,) = pictures.altered("unreal")
    assert "look inverted, the clearest first" in exhibit.caption
    shown, columns = draw.sheets[0]
    assert all(
        (255 - image).tobytes() in {one.tobytes() for one in digits.fresh} for image in shown[: min(columns, 12)]
    )


def test_every_test_has_pictures(evaluator: Evaluator, digits: Any, samples: UInt8Array) -> None:
    samples[3] = samples[4]
    pictures, _ = pictures_of(evaluator, samples, digits.fresh_labels[:120])
    tested = [measure for measure in measures_for(evaluator.medium) if measure.better is not None]
    for measure in tested:
        if pictures.data.unmet(measure.needs) or not pictures.data.concerns(measure.needs):
            continue
        method, arguments = pictures.source(measure)
        exhibits = method(pictures, *arguments)
        assert exhibits or measure.name == "modes_covered", measure.name
        assert all(exhibit.caption and exhibit.picture.startswith(b"\x89PNG") for exhibit in exhibits)


def test_pictures_follow_the_row_of_their_test(failed: Evaluation) -> None:
    exhibits = draw_failures(failed, ReportPictures(failed.data.real.item))
    assert set(exhibits) <= set(failed.verdict.failed)
    assert [one.caption for one in exhibits["modes_covered"]] == ["Class 4: no sample, only real images"]
    shown = [one for found in exhibits.values() for one in found]
    assert len(shown) == len(set(shown))
    page = render(failed, Pictures(b"", None, failures=exhibits), {})
    row, *others = re.findall(r"Class 4: no sample, only real images</figcaption>", page)
    assert not others
    assert page.index("<strong>modes_covered") < page.index(row) < page.index("<strong>smallest_class_share")
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(re.findall(r' id="([^"]*)"', page))


def test_without_samples_there_are_no_pictures(evaluator: Evaluator, digits: Any) -> None:
    evaluation = evaluator.evaluate(digits.fresh[:0], nonfinite=9)
    assert draw_failures(evaluation, ReportPictures(evaluator.item)) == {}
