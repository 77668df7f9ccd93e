"""Each file judged for the right reason, by hand-made manifests."""

from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import pytest

from pipeline.data.findings import examine
from pipeline.data.settings import ValidateSettings
from pipeline.data.writer import MANIFEST


def row(path: str, pixels: str | None, **values: Any) -> dict[str, Any]:
    good = {"width": 10, "height": 12, "mode": "L", "mean": 0.5, "std": 0.3, "split": "train", "label": -1, "pixels_sha256": pixels}
    return dict.fromkeys(MANIFEST.names) | good | {"path": path} | values


def bad(path: str) -> dict[str, Any]:
    return dict.fromkeys(MANIFEST.names) | {"path": path, "label": -1, "error": "not an image"}


ROWS = [
    row("a", "A"),
    row("a_again", "A"),
    row("b", "B"),
    row("flat", "F", std=0.004),
    row("small", "S", width=7),
    row("leak", "A", split="test"),
    row("leak_again", "A", split="test"),
    row("t", "T", split="test"),
    row("t_again", "T", split="test"),
    bad("csv"),
    row("small_and_flat", "S", height=3, std=0.0),
]


def reasons(**settings: Any) -> dict[str, str]:
    values = {"min_side": {"limit": 8, "severity": "warning"}} | settings
    found = examine(pd.DataFrame(ROWS), [], ValidateSettings.model_validate(values))
    return {path: f"{reason}: {detail}" for path, reason, detail in found.rejected[["path", "reason", "detail"]].itertuples(index=False)}


def test_reasons() -> None:
    assert reasons() == {
        "a_again": "duplicate: same pixels as a",
        "flat": "near_constant: standard deviation 0.0040",
        "small": "too_small: 7 x 12 pixels",
        "leak": "leaked: same pixels as training image a",
        "leak_again": "leaked: same pixels as training image a",
        "t_again": "duplicate: same pixels as t",
        "csv": "undecodable: not an image",
        "small_and_flat": "too_small: 10 x 3 pixels",
    }


@pytest.mark.parametrize(
    ("key", "spared"),
    [
        ("max_duplicate_share", {"a_again", "t_again"}),
        ("max_constant_share", {"flat"}),
        ("min_side", {"small"}),
    ],
)
def test_off_sets_nothing_aside(key: str, spared: set[str]) -> None:
    assert set(reasons()) - set(reasons(**{key: {"limit": 8 if key == "min_side" else 0, "severity": "off"}})) == spared


def test_leakage_off_leaves_copies_in_test() -> None:
    assert reasons(max_leakage_share={"limit": 0, "severity": "off"})["leak_again"] == "duplicate: same pixels as leak"


def test_numbers() -> None:
    settings = ValidateSettings.model_validate({"min_side": {"limit": 8, "severity": "warning"}})
    n = examine(pd.DataFrame(ROWS), [], settings).numbers()
    assert (n["images_total"], n["images_accepted"], n["images_quarantined"]) == (11, 3, 8)
    counts = {reason: n[f"quarantined_{reason}"] for reason in ("undecodable", "too_small", "near_constant", "leaked", "duplicate")}
    assert counts == {"undecodable": 1, "too_small": 2, "near_constant": 1, "leaked": 2, "duplicate": 2}
    assert (n["train_images"], n["test_images"], n["classes"]) == (2, 1, 0)
    assert n["error_share"] == pytest.approx(1 / 11)
    assert n["duplicate_share"] == pytest.approx(4 / 10)
    assert n["leakage_share"] == pytest.approx(2 / 4)
    assert n["constant_share"] == pytest.approx(2 / 10)
    assert (n["pixel_mean"], n["pixel_std"]) == (pytest.approx(0.5), pytest.approx(0.3))
    assert "imbalance" not in n


def test_classes() -> None:
    rows = [row(f"{name}{number}", f"{name}{number}", **{"class": name}) for name, count in (("a", 6), ("b", 2)) for number in range(count)]
    rows += [row("held", "held", split="test", **{"class": "b"})]
    found = examine(pd.DataFrame(rows), ["a", "b"], ValidateSettings())
    assert found.per_class().to_dict("list") == {"class": ["a", "b"], "train_images": [6, 2], "test_images": [0, 1], "times_smaller": [1.0, 3.0]}
    assert found.numbers()["imbalance"] == 3
    empty = examine(pd.DataFrame(rows), ["a", "b", "c"], ValidateSettings())
    assert empty.numbers()["imbalance"] is None
    assert empty.per_class()["times_smaller"].max() == float("inf")


def test_nothing_accepted() -> None:
    n = examine(pd.DataFrame([bad("x")]), [], ValidateSettings()).numbers()
    assert (n["images_accepted"], n["pixel_mean"], n["pixel_std"], n["error_share"], n["duplicate_share"]) == (0, None, None, 1.0, 0.0)
