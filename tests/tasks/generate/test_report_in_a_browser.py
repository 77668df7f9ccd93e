"""The report in a browser: images are decoded, and nothing is wider than the screen of a phone or desktop."""

import dataclasses
import html
import io
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.media.sheet import grid
from pipeline.tasks.generate.evaluator import Evaluator
from pipeline.tasks.generate.report import Pictures, render
from pipeline.tasks.generate.report_classes import draw_classes
from pipeline.tasks.generate.report_pictures import ReportPictures
from tests.browser import Page

MEASURE = """
window.onload = () => {
  const inner = document.querySelector('iframe').contentDocument, root = inner.documentElement;
  const visible = [...inner.body.querySelectorAll('*')].filter(e => e.getClientRects().length);
  const overflowing = e => !e.parentElement
    || (getComputedStyle(e.parentElement).overflowX === 'visible' && overflowing(e.parentElement));
  const tooWide = e => e.getBoundingClientRect().right > root.clientWidth + 1 && overflowing(e);
  const written = visible.filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  document.title = 'measured ' + JSON.stringify({
    width: root.clientWidth,
    scroll: root.scrollWidth,
    wide: visible.filter(tooWide).map(e => e.tagName).slice(0, 5),
    pictures: [...inner.images].map(i => [i.complete, i.naturalWidth, i.getBoundingClientRect().width]),
    verdict: [...inner.querySelectorAll('h1')].map(e => [e.textContent.trim(), e.getBoundingClientRect().bottom]),
    smallest: Math.min(...written.map(e => parseFloat(getComputedStyle(e).fontSize))),
  });
};
"""


def measure_layout(tab: Page, page: str, width: int, height: int, folder: Path) -> dict[str, Any]:
    """Return measurements of a page in a frame of the given size, in CSS pixels."""
    frame = f'<iframe srcdoc="{html.escape(page)}" style="border:0;width:{width}px;height:{height}px"></iframe>'
    file = folder / f"{width}.html"
    file.write_text(
        f"<!doctype html><meta charset=utf-8><title>waiting</title>{frame}<script>{MEASURE}</script>", encoding="utf-8"
    )
    tab.open(file.as_uri())
    tab.until("document.title.startsWith('measured ')")
    measured: dict[str, Any] = json.loads(tab.run("document.title").removeprefix("measured "))
    return measured


def png(images: Any, columns: int | None = None) -> bytes:
    buffer = io.BytesIO()
    grid(images, columns).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def page(evaluator: Evaluator, digits: Any) -> str:
    """Return a report with all sections, a failed verdict and a long class name."""
    classes = ("a class with a very long name, as folders at times have", *digits.classes[1:])
    named = dataclasses.replace(evaluator, item=evaluator.item.model_copy(update={"classes": classes}))
    present = digits.fresh_labels != 4
    evaluation = named.evaluate(digits.fresh[present], labels=digits.fresh_labels[present])
    sheet = png(digits.fresh[:64])
    full = Pictures(
        sheet,
        sheet,
        draw_classes(evaluation.data, ReportPictures(named.item)),
        interpolations=png(digits.fresh[:80], 10),
        neighbours=png(digits.fresh[:96], 8),
    )
    return render(
        evaluation, full, {"model": "dcgan", "data": "/a/long/path/" + "to/somewhere/" * 8}, evaluation.metrics
    )


@pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (1280, 800)])
def test_the_report_fits_the_screen(tab: Page, page: str, width: int, height: int, tmp_path: Path) -> None:
    found = measure_layout(tab, page, width, height, tmp_path)
    assert found["scroll"] <= found["width"], found["wide"]
    assert found["wide"] == []
    assert len(found["pictures"]) >= 14
    assert all(complete and natural > 0 and shown > 0 for complete, natural, shown in found["pictures"])
    ((heading, bottom),) = found["verdict"]
    assert "fail" in heading
    assert bottom < height / 2, "the verdict is visible without scrolling"
    assert found["smallest"] >= 11


def test_elements_that_are_too_wide_are_detected(tab: Page, page: str, tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""
    found = measure_layout(
        tab,
        page.replace("</body>", '<p style="width:2000px">wide</p><img src="data:image/png;base64,AAAA"></body>'),
        390,
        844,
        tmp_path,
    )
    assert found["scroll"] > found["width"]
    assert found["wide"] == ["P"]
    assert found["pictures"][-1][1] == 0
