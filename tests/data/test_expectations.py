"""Every expectation passes at its threshold and fails just beyond it, with the numbers in its message."""

import time
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import pytest

from pipeline.data.expectations import create_context, expectations, find_failures, tables, validate
from pipeline.data.store_writer import COLUMNS
from pipeline.data.validation_findings import Findings, examine
from pipeline.media.image.validation import ImageValidation
from pipeline.media.registry import MEDIA
from pipeline.media.validation import Expectation

Rows = list[dict[str, Any]]
IMAGE = MEDIA["image"]
NAMES = [*COLUMNS, *(fact.name for fact in IMAGE.facts)]
# Expectations that a case does not test always pass.
LENIENT = {
    key: {"limit": limit, "severity": "warning"}
    for key, limit in (
        ("min_images", 0),
        ("min_per_class", 0),
        ("max_imbalance", 1e9),
        ("max_error_share", 1),
        ("max_duplicate_share", 1),
        ("max_leakage_share", 1),
        ("max_constant_share", 1),
        ("min_side", 0),
    )
} | {"mean_range": [0, 1]}


def images(count: int, **values: Any) -> Rows:
    """Return manifest rows of valid images with distinct pixels."""
    good: dict[str, Any] = {
        "width": 10,
        "height": 10,
        "mode": "L",
        "mean": 0.5,
        "std": 0.3,
        "split": "train",
        "label": -1,
        **values,
    }
    good["side"] = float(min(good["width"], good["height"]))
    tag = "-".join(map(str, values.values()))
    return [dict.fromkeys(NAMES) | {"path": f"{tag}/{n}", "pixels_sha256": f"{tag}/{n}"} | good for n in range(count)]


def bad(count: int) -> Rows:
    return [dict.fromkeys(NAMES) | {"path": f"bad{n}", "label": -1, "error": "not an image"} for n in range(count)]


def named(name: str, count: int) -> Rows:
    return images(count, **{"class": name})


def same(count: int, pixels: str = "P", split: str = "train") -> Rows:
    return images(count, pixels_sha256=pixels, split=split)


def leaked(count: int) -> Rows:
    return same(count) + same(count, split="test")


def bound(limit: float) -> dict[str, Any]:
    return {"limit": limit, "severity": "critical"}


# key, settings, rows that just pass, rows that just fail, words of the message
CASES: list[tuple[str, dict[str, Any], Rows, Rows, list[str]]] = [
    ("max_error_share", bound(0.1), images(9) + bad(1), images(8) + bad(1),
     ["1 of 9 (11.11%)", "over validate.max_error_share.limit 0.1"]),
    ("max_error_share", bound(0), images(3), images(99) + bad(1), ["1 of 100 (1.00%)"]),
    ("max_duplicate_share", bound(0.2), images(3) + same(2), images(7) + same(4),
     ["3 of 11 (27.27%)", "over validate.max_duplicate_share.limit 0.2"]),
    ("max_leakage_share", bound(0.25), leaked(1) + images(3, split="test"), leaked(1) + images(2, split="test"),
     ["1 of 3 (33.33%)", "test images are also in the training split"]),
    ("max_constant_share", bound(0.5), images(1) + images(1, std=0.0049), images(1, std=0.0049),
     ["1 of 1 (100.00%)", "constant_std 0.005"]),
    ("min_side", bound(8), images(2, width=8), images(2) + images(1, width=7),
     ["1 of 3", "shorter than validate.min_side.limit 8 pixels"]),
    ("modes", {"allowed": ["L", "RGB"], "severity": "critical"}, images(1) + images(1, mode="RGB"),
     images(1) + images(2, mode="CMYK") + images(1, mode="F"), ["3 images (CMYK 2, F 1)", "validate.modes.allowed"]),
    ("min_images", bound(5), images(5) + images(2, split="test"), images(4) + images(2, split="test") + bad(3),
     ["4 training images", "limit 5", "9 files, 3 set"]),
    ("min_images", bound(1), images(1), bad(2), ["0 training images"]),
    ("min_per_class", bound(3), named("a", 3) + named("b", 4), named("a", 2) + named("b", 4),
     ["class 'a' has 2", "limit 3"]),
    ("max_imbalance", bound(2), named("a", 2) + named("b", 4), named("a", 2) + named("b", 5),
     ["by 2.5", "'a' has 2, class 'b' has 5", "limit 2"]),
    ("max_imbalance", bound(2), named("a", 2) + named("b", 4), named("b", 5), ["by inf", "'a' has 0"]),
]  # fmt: skip


def find(rows: Rows, parsed: ImageValidation) -> Findings:
    classes = sorted(
        {row["class"] for row in rows if row["class"]} | ({"a", "b"} if any(row["class"] for row in rows) else set())
    )
    return examine(pd.DataFrame(rows, columns=NAMES), classes, IMAGE, parsed)


def severities(rows: Rows, settings: dict[str, Any]) -> dict[str, str]:
    """Return the severities of all expectations, without evaluating them."""
    parsed = ImageValidation.model_validate(settings)
    return {expectation.key: expectation.severity for expectation in expectations(find(rows, parsed), parsed)}


def failures(folder: Path, rows: Rows, settings: dict[str, Any]) -> dict[str, Expectation]:
    """Return the failed expectations by key, without building Data Docs, which takes half of the time."""
    parsed = ImageValidation.model_validate(settings)
    found = find(rows, parsed)
    return {
        failure.expectation.key: failure.expectation
        for failure in find_failures(create_context(folder), expectations(found, parsed), tables(found))
    }


@pytest.mark.parametrize(
    ("key", "value", "passing", "failing", "words"),
    CASES,
    ids=[f"{case[0]}-{number}" for number, case in enumerate(CASES)],
)
def test_an_expectation_passes_at_its_limit_and_fails_beyond_it(
    tmp_path: Path, key: str, value: dict[str, Any], passing: Rows, failing: Rows, words: list[str]
) -> None:
    settings = LENIENT | {key: value}
    assert failures(tmp_path / "passing", passing, settings) == {}
    found = failures(tmp_path / "failing", failing, settings)
    assert list(found) == [key]
    assert found[key].severity == "critical"
    for word in words:
        assert word in found[key].message
    assert key not in severities(failing, settings | {key: value | {"severity": "off"}})
    assert severities(failing, settings | {key: value | {"severity": "warning"}})[key] == "warning"


def test_a_mean_outside_of_its_range_is_a_warning(tmp_path: Path) -> None:
    settings = LENIENT | {"mean_range": [0.2, 0.5]}
    assert failures(tmp_path / "a", images(3, mean=0.5), settings) == {}
    for mean in (0.1999, 0.5001):
        found = failures(tmp_path / str(mean), images(3, mean=mean), settings)["mean_range"]
        assert found.severity == "warning"
        assert f"{mean:.4f}" in found.message


def test_checks_of_classes_and_leakage_need_classes_and_a_test_split(tmp_path: Path) -> None:
    strict = LENIENT | {"min_per_class": bound(1e6), "max_imbalance": bound(0), "max_leakage_share": bound(0)}
    assert failures(tmp_path, images(5), strict) == {}


def test_the_share_of_unpaired_images_is_checked_for_pairs_in_folders(tmp_path: Path) -> None:
    """It passes at the limit and fails beyond it. Other data has no such check."""
    rows = [
        {**one, "class": side, "label": "AB".index(side), "pair": str(number)}
        for side, count in (("A", 12), ("B", 8))
        for number, one in enumerate(images(count, mode=f"L{side}"))
    ]
    classes = ["A", "B"]
    for limit, passes in ((0.2, True), (0.19, False)):
        parsed = ImageValidation.model_validate(
            LENIENT | {"modes": {"severity": "off"}, "max_unpaired_share": bound(limit)}
        )
        found = examine(pd.DataFrame(rows, columns=NAMES), classes, IMAGE, parsed, "folders")
        failed = validate(expectations(found, parsed), tables(found), tmp_path / str(limit))
        assert [str(failure).split(":")[0] for failure in failed] == ([] if passes else ["max_unpaired_share"])
    assert "4 of 20 (20.00%) images have no partner of their name and size in the other folder" in str(failed[0])
    assert any("alone" in page.read_text() for page in (tmp_path / "0.19").rglob("*.html")), "the Data Docs show it"
    single = examine(pd.DataFrame(rows, columns=NAMES), classes, IMAGE, parsed)
    assert "max_unpaired_share" not in [check.key for check in expectations(single, parsed)]


def test_a_class_that_is_too_small_is_named(tmp_path: Path) -> None:
    found = failures(tmp_path, named("a", 30) + named("b", 9), LENIENT | {"min_per_class": bound(10)})
    message = found["min_per_class"].message
    assert "class 'b' has 9 accepted training images, fewer than validate.min_per_class.limit 10" in message
    assert "add images to this class or domain" in message


def test_an_expectation_that_cannot_be_evaluated_is_an_error(tmp_path: Path) -> None:
    expectation = Expectation(
        "min_side", "items", "ExpectColumnValuesToBeBetween", {"column": "absent", "min_value": 1}, "warning", ""
    )
    with pytest.raises(RuntimeError, match="min_side could not be evaluated"):
        validate([expectation], {"items": lambda: pd.DataFrame({"present": [1]})}, tmp_path)


def test_the_index_of_data_docs_links_to_its_pages(tmp_path: Path) -> None:
    parsed = ImageValidation.model_validate(LENIENT)
    found = find(images(3) + bad(1), parsed)
    validate(expectations(found, parsed), tables(found), tmp_path / "docs")
    index = (tmp_path / "docs" / "index.html").read_text()
    pages = list((tmp_path / "docs").rglob("*.html"))
    assert len(pages) > 3
    linked = [page for page in pages if page.name != "index.html" and str(page.relative_to(tmp_path / "docs")) in index]
    assert linked


@pytest.mark.slow
def test_twenty_thousand_rows_are_validated_within_seconds(tmp_path: Path) -> None:
    rows = pd.DataFrame([*images(1, **{"class": "a"}), *images(1, **{"class": "b"})], columns=NAMES)
    manifest = pd.concat([rows] * 10_000, ignore_index=True)
    manifest["pixels_sha256"] = [f"{number:064x}" for number in range(len(manifest))]
    start = time.process_time()
    settings = ImageValidation()
    found = examine(manifest, ["a", "b"], IMAGE, settings)
    assert validate(expectations(found, settings), tables(found), tmp_path) == []
    assert time.process_time() - start < 15, "seconds of processor time, which do not depend on the load"
