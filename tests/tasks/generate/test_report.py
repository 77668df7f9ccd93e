"""The HTML report of generated samples: one file, escaped names, a row per measure, the previous run."""

import dataclasses
import io
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageColor

from pipeline.evaluation.report_page import TEMPLATES, data_uri, format_number
from pipeline.evaluation.report_trend import EvaluatedRun
from pipeline.tasks.generate.evaluator import Evaluation, Evaluator
from pipeline.tasks.generate.report import Pictures, measurement_rows, render, report_head
from pipeline.tasks.generate.report_classes import draw_classes
from pipeline.tasks.generate.report_pictures import GENERATED, REAL, ReportPictures, plane_chart

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
HOSTILE = '<script>alert(1)</script>" onerror="x'


class Page(HTMLParser):
    """Collects tags, attributes, addresses and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def failed(evaluator: Evaluator, digits: Any) -> Evaluation:
    return evaluator.evaluate(digits.fresh[digits.fresh_labels != 4])


def page_of(evaluation: Evaluation) -> str:
    classes = draw_classes(evaluation.data, ReportPictures(evaluation.data.real.item))
    return render(evaluation, Pictures(PNG, PNG, classes), {"model": "dcgan", "data": HOSTILE})


def test_it_is_one_file_with_the_verdict_first(failed: Evaluation, digits: Any) -> None:
    text = page_of(failed)
    page = Page(text)
    assert page.addresses
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in page.addresses)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    order = [
        page.text.index(part)
        for part in (
            "Verdict: fail",
            "dropped classes",
            "evidence",
            "also failed",
            "Try training longer",
            "range of 95 % of 20 draws of equal size",
            "Sample sizes",
            "Nearest to its bound",
            "Real and generated",
            "Measurements",
            "protocol",
        )
    ]
    assert order == sorted(order)
    for part in (failed.metrics["protocol"], "Classes, the worst first", "modes_covered", ">= 10", "fid_ratio"):
        assert part in page.text
    assert 'name="viewport"' in text


def test_names_are_escaped(failed: Evaluation) -> None:
    real = failed.data.real
    item = real.item.model_copy(update={"classes": (HOSTILE, "a & b", "<b>", *"3456789")})
    renamed = dataclasses.replace(failed.data, real=dataclasses.replace(real, item=item))
    text = page_of(dataclasses.replace(failed, data=renamed))
    page = Page(text)
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert not {name for name in page.attributes if name.startswith("on")}
    assert HOSTILE in page.text
    assert "a & b" in page.text


def test_pages_of_passing_and_of_nonfinite_samples(evaluator: Evaluator, digits: Any) -> None:
    assert "Verdict: pass" in page_of(evaluator.evaluate(digits.fresh))
    few = page_of(evaluator.evaluate(digits.fresh[:60]))
    assert "Cannot be seen here" in few
    assert "memorisation: only 60 finite samples, 100 are needed" in few
    page = Page(render(evaluator.evaluate(digits.fresh[:0], nonfinite=9), Pictures(PNG, None), {}))
    assert "No sample was finite" in page.text
    assert "non-finite samples" in page.text
    assert "9 of 9 hold NaN or Inf" in page.text


def test_requested_classes_interpolations_and_neighbours_have_sections(evaluator: Evaluator, digits: Any) -> None:
    """The requested labels of classes 3 and 8 are swapped."""
    swapped = np.where(digits.fresh_labels == 3, 8, np.where(digits.fresh_labels == 8, 3, digits.fresh_labels))
    evaluation = evaluator.evaluate(digits.fresh, labels=swapped)
    of = {one.name: one for one in evaluation.data.class_distances}
    assert of["3"].agreement < 0.2 < 0.8 < of["5"].agreement
    assert (of["3"].fid_ratio or 0) > 3 * (of["5"].fid_ratio or 0)
    assert evaluation.metrics["class_fid_ratio_worst_class"] in ("3", "8")
    assert evaluation.metrics["label_agreement"] == pytest.approx(np.mean(evaluation.data.predicted == swapped))
    worst = draw_classes(evaluation.data, ReportPictures(evaluator.item))
    assert {one.name for one in worst if one.bad} == {one.name for one in worst[:2]} == {"3", "8"}
    page = Page(render(evaluation, Pictures(PNG, PNG, worst, interpolations=PNG, neighbours=PNG), {}))
    for part in (
        "samples of the class",
        "seen as asked",
        "Between two latents",
        "Nearest training images",
        "label_agreement",
    ):
        assert part in page.text
    plain = Page(page_of(evaluator.evaluate(digits.fresh))).text
    for part in ("seen as asked", "Between two latents", "Nearest training images", "label_agreement"):
        assert part not in plain


def test_every_measure_has_a_row(failed: Evaluation) -> None:
    table = {row.name: row for row in measurement_rows(failed, {})}
    assert list(table)[:8] == [
        "finite samples",
        "duplicate_rate",
        "modes_covered",
        "smallest_class_share",
        "mode_kl",
        "class_spread",
        "fid_ratio",
        "fid",
    ]
    assert (table["recall"].bound, table["copying"].bound, table["density"].bound) == (
        ">= 0.5",
        ">= -5",
        ">= 0.6 and <= 1.3",
    )
    assert (table["modes_covered"].value, table["modes_covered"].null, table["modes_covered"].state) == (
        "9",
        "10",
        "fail",
    )
    assert {"kid", "smallest_class_share", "classifier_accuracy"} <= set(table)
    assert table["fid_infinity"].null == format_number(failed.measurements["fid_infinity"].null) != "0"
    assert [format_number(value) for value in (None, 5000, 0.123456, 1.0, 12345.678)] == [
        "–",
        "5,000",
        "0.1235",
        "1",
        "1.235e+04",
    ]


def test_rows_show_spread_and_z_in_the_scale_of_the_bound(failed: Evaluation) -> None:
    table = {row.name: row for row in measurement_rows(failed, {})}
    recall, jsd, mode_kl = (failed.measurements[name] for name in ("recall", "jsd", "mode_kl"))
    assert recall.null
    assert recall.spread
    assert table["recall"].spread == format_number(recall.spread / recall.null)
    assert (table["jsd"].null, table["jsd"].spread) == ("0", format_number(jsd.spread))
    assert (table["mode_kl"].null, table["mode_kl"].spread) == (
        format_number(mode_kl.null),
        format_number(mode_kl.spread),
    )
    assert all(table[name].z == f"{failed.measurements[name].z:+.1f}" for name in ("recall", "jsd", "mode_kl"))
    assert (table["modes_covered"].spread, table["modes_covered"].z) == ("", "")


def test_a_null_without_any_spread_has_no_z(failed: Evaluation) -> None:
    colour = failed.measurements["colour"]
    assert (colour.spread, colour.z) == (0.0, 0.0)
    (row,) = [row for row in measurement_rows(failed, {}) if row.name == "colour"]
    assert (row.spread, row.z) == ("", "")


def test_the_head_shows_three_numbers_with_intervals(failed: Evaluation) -> None:
    head = report_head(failed)
    assert [number.name for number in head.numbers] == ["fid_ratio", "coverage", "precision"]
    equal = failed.data.equal_size
    assert equal
    assert equal.interval
    assert equal.interval.low < equal.generated < equal.interval.high
    first = head.numbers[0]
    assert first.interval == " to ".join(
        format_number(end / equal.null) for end in (equal.interval.low, equal.interval.high)
    )
    assert list(head.sizes.values()) == [failed.metrics[name] for name in ("n_fake", "n_real", "n_calibrated")]
    assert head.nearest.split()[0] in {test.name for test in failed.verdict.tests if test.state == "pass"}
    assert head.off == []


def test_the_previous_run_is_shown_if_its_protocol_is_equal(failed: Evaluation, digits: Any) -> None:
    before = failed.metrics | {
        "recall": failed.metrics["recall_null"] / 2,
        "kid": 0.5,
        "jsd": failed.metrics["jsd_null"] + 0.25,
    }
    table = {row.name: row.before for row in measurement_rows(failed, before)}
    assert (table["recall"], table["kid"], table["jsd"], table["finite samples"]) == ("0.5", "0.5", "0.25", "")
    pictures = Pictures(PNG, PNG)
    assert "Before" in Page(render(failed, pictures, {}, before)).text
    for other in (None, before | {"protocol": "measure=other"}):
        assert "Before" not in Page(render(failed, pictures, {}, other)).text


def test_images_are_data_uris() -> None:
    assert data_uri(b"abc") == "data:image/png;base64,YWJj"


def test_the_trend_names_runs_and_links_to_them(failed: Evaluation) -> None:
    protocol = failed.metrics["protocol"]
    address = "https://mlflow.example/#/experiments/1/runs/2"
    runs = [
        EvaluatedRun(name, address, "2026-11-01", "pass", protocol, {"fid_ratio": 2.0}) for name in ("old", HOSTILE)
    ]
    now = EvaluatedRun("this run", "", "", "fail", protocol, failed.metrics)
    page = Page(render(failed, Pictures(PNG, PNG), {}, runs=[*runs, now]))
    assert page.tags.count("circle") == 3 + 2, "one chart and the key"
    assert "The last 3 runs" in page.text
    assert "under different protocols" not in page.text
    assert HOSTILE in page.text
    assert address in page.addresses
    other = dataclasses.replace(runs[0], protocol="other")
    assert "under different protocols" in Page(render(failed, Pictures(PNG, PNG), {}, runs=[other, now])).text


def test_both_sets_are_visible_on_the_map_of_features() -> None:
    """Samples lie where the real items lie, so either set could hide the other."""
    rng = np.random.default_rng(0)
    fake, real = rng.normal(size=(2, 1500, 2))
    chart = plane_chart((fake, real))
    assert chart
    assert len(chart) < 80_000
    pixels = np.asarray(Image.open(io.BytesIO(chart)).convert("RGBA")).astype(int)
    shares = []
    for style, key in ((GENERATED, "color"), (REAL, "edgecolors")):
        colour = np.array(ImageColor.getrgb(str(style[key])))
        near = (np.abs(pixels[..., :3] - colour).max(axis=2) < 40) & (pixels[..., 3] > 200)
        shares.append(near.sum() / (pixels[..., 3] > 200).sum())
        assert min(contrast(colour, np.array(ground)) for ground in ((255, 255, 255), (18, 22, 29))) > 3
        assert str(style[key]) in (TEMPLATES / "style.css").read_text(), "the legend has another colour"
    assert min(shares) > 0.25
    assert (pixels[:4, :4, 3] == 0).all(), "the background is transparent"


def contrast(first: Any, second: Any) -> float:
    """Return the contrast ratio of WCAG."""
    low, high = sorted(
        float(
            np.where(c / 255 <= 0.03928, c / 255 / 12.92, ((c / 255 + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)
        )
        for c in (first, second)
    )
    return (high + 0.05) / (low + 0.05)
