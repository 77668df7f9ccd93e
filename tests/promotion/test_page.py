"""The page that shows a challenger next to the champion."""

from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.comparison import Comparison
from pipeline.measure import Measure
from pipeline.promotion.checks import Against
from pipeline.promotion.page import render_promotion
from tests.specs import image_spec

MEASURES: list[Measure[Any]] = [
    Measure("fid", lambda _: None, "", better="low", bound=3.0, place=1),
    Measure("coverage", lambda _: None, "", kind="relative", better="high", bound=0.8, place=2),
    Measure("recall", lambda _: None, "", kind="relative", better="high", bound=0.8),
]
VERDICT = {
    "model": "a <b>",
    "version": 7,
    "champion": 3,
    "outcome": "held",
    "reasons": ["its contract differs & so on"],
    "checks": [
        {"name": "fid against champion", "state": "pass", "value": 1.23456, "champion": 2.0, "bound": "not worse"},
        {"name": "contract against champion", "state": "held", "value": "z: 8", "champion": None, "bound": "same"},
    ],
}


def against(**more: Any) -> Against:
    ours = {"fid": 1.23456, "coverage": 0.72, "coverage_null": 0.9, "protocol": "n=<5>"}
    theirs = ours | {"fid": 2.0, "coverage": 0.45}
    return Against("3", theirs, ours, {"fid": Comparison(-0.7, -0.9, -0.5)}, **more)


def test_both_models_are_next_to_each_other() -> None:
    items = np.zeros((4, 8, 8, 1), dtype=np.uint8)
    page = render_promotion(VERDICT, against(champion_items=items, challenger_items=items), MEASURES, image_spec(8, 1))
    order = [
        page.index(part)
        for part in (
            "Version 7: held, needs approval",
            "a &lt;b&gt;, compared with the champion, version 3",
            "its contract differs &amp; so on",
            "1.235</strong><br>champion 2<",
            "better: 95 % interval of the difference -0.9 to -0.5",
            "0.8</strong><br>champion 0.5",
            "Challenger, version 7",
            "Champion, version 3",
            "fid against champion",
            "n=&lt;5&gt;",
        )
    ]
    assert order == sorted(order)
    assert page.count("data:image/png;base64,") == 2
    assert "<strong>recall" not in page


@pytest.mark.parametrize("outcome", ["promoted", "not promoted"])
def test_models_without_samples_have_numbers_only(outcome: str) -> None:
    page = render_promotion(VERDICT | {"outcome": outcome}, against(), MEASURES, image_spec(8, 1))
    assert f"Version 7: {outcome}" in page
    assert "<img" not in page
