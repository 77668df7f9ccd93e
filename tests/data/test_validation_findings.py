"""Reasons for quarantine, and counts, from small manifests."""

from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.store_writer import COLUMNS
from pipeline.data.validation_findings import Findings
from pipeline.data.validation_findings import examine as examine_items
from pipeline.media.image.validation import ImageValidation
from pipeline.media.registry import MEDIA

NAMES = [*COLUMNS, *(fact.name for fact in MEDIA["image"].facts)]


def examine(
    manifest: pd.DataFrame, classes: list[str], settings: ImageValidation | None = None, pairs: str = "none"
) -> Findings:
    return examine_items(manifest, classes, MEDIA["image"], settings or ImageValidation(), pairs)


def row(path: str, pixels: str | None, **values: Any) -> dict[str, Any]:
    good = {
        "width": 10,
        "height": 12,
        "mode": "L",
        "mean": 0.5,
        "std": 0.3,
        "split": "train",
        "label": -1,
        "pixels_sha256": pixels,
    }
    columns: dict[str, Any] = dict.fromkeys(NAMES) | good | {"path": path} | values
    sides = [columns["width"], columns["height"]]
    return columns | {"side": None if None in sides else float(min(sides))}


def bad(path: str) -> dict[str, Any]:
    return dict.fromkeys(NAMES) | {"path": path, "label": -1, "error": "not an image"}


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
    found = examine(pd.DataFrame(ROWS), [], ImageValidation.model_validate(values))
    return {
        path: f"{reason}: {detail}"
        for path, reason, detail in found.rejected[["path", "reason", "detail"]].itertuples(index=False)
    }


def test_each_file_has_the_reason_of_its_quarantine() -> None:
    assert reasons() == {
        "a_again": "duplicate: same values as image a",
        "flat": "near_constant: standard deviation 0.0040",
        "small": "too_small: 7 x 12 pixels",
        "leak": "leaked: same values as training image a",
        "leak_again": "leaked: same values as training image a",
        "t_again": "duplicate: same values as image t",
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
def test_severity_off_disables_a_check(key: str, spared: set[str]) -> None:
    assert set(reasons()) - set(reasons(**{key: {"limit": 8 if key == "min_side" else 0, "severity": "off"}})) == spared


def test_with_leakage_off_copies_of_training_images_stay_in_the_test_split() -> None:
    assert (
        reasons(max_leakage_share={"limit": 0, "severity": "off"})["leak_again"]
        == "duplicate: same values as image leak"
    )


def test_counts_and_shares() -> None:
    settings = ImageValidation.model_validate({"min_side": {"limit": 8, "severity": "warning"}})
    n = examine(pd.DataFrame(ROWS), [], settings).numbers()
    assert (n["images_total"], n["images_accepted"], n["images_quarantined"]) == (11, 3, 8)
    counts = {
        reason: n[f"quarantined_{reason}"]
        for reason in ("undecodable", "too_small", "near_constant", "leaked", "duplicate")
    }
    assert counts == {"undecodable": 1, "too_small": 2, "near_constant": 1, "leaked": 2, "duplicate": 2}
    assert (n["train_images"], n["test_images"], n["classes"]) == (2, 1, 0)
    assert n["error_share"] == pytest.approx(1 / 11)
    assert n["duplicate_share"] == pytest.approx(4 / 10)
    assert n["leakage_share"] == pytest.approx(2 / 4)
    assert n["constant_share"] == pytest.approx(2 / 10)
    assert (n["pixel_mean"], n["pixel_std"]) == (pytest.approx(0.5), pytest.approx(0.3))
    assert "imbalance" not in n


def test_counts_per_class() -> None:
    rows = [
        row(f"{name}{number}", f"{name}{number}", **{"class": name})
        for name, count in (("a", 6), ("b", 2))
        for number in range(count)
    ]
    rows += [row("held", "held", split="test", **{"class": "b"})]
    found = examine(pd.DataFrame(rows), ["a", "b"], ImageValidation())
    assert found.per_class().to_dict("list") == {
        "class": ["a", "b"],
        "train_images": [6, 2],
        "test_images": [0, 1],
        "times_smaller": [1.0, 3.0],
    }
    assert found.numbers()["imbalance"] == 3
    empty = examine(pd.DataFrame(rows), ["a", "b", "c"], ImageValidation())
    assert empty.numbers()["imbalance"] is None
    assert empty.per_class()["times_smaller"].max() == float("inf")


def paired(side: str, name: str, pixels: str | None, **values: Any) -> dict[str, Any]:
    return row(f"{side}/{name}", pixels) | {"class": side, "label": "AB".index(side), "pair": name} | values


PAIRS = [
    paired("A", "1", "a1"),
    paired("A", "2", "a2"),
    paired("A", "3", "a3", error="not an image", pixels_sha256=None, width=None, height=None, mean=None, std=None),
    paired("A", "4", "a4", std=0.0),
    paired("A", "5", "a5", width=20),
    paired("A", "6", "a1"),
    paired("A", "7", "a7"),
    paired("A", "8", "a2"),
    paired("A", "lonely", "al"),
    paired("A", "twice", "at"),
    paired("A", "twice", "au", path="A/twice.jpg"),
    paired("A", "t1", "a1", split="test"),
    paired("A", "t2", "a2", split="test"),
    paired("A", "1", "x", split="test", path="test/A/1"),
    row("stray", "s", error="is next to the class folders, not in one of them"),
    paired("B", "1", "b1"),
    paired("B", "2", "b1"),
    paired("B", "3", "b3"),
    paired("B", "4", "b4"),
    paired("B", "5", "b5"),
    paired("B", "6", "b1"),
    paired("B", "7", "b1"),
    paired("B", "8", "b8"),
    paired("B", "twice", "bt"),
    paired("B", "t1", "b1", split="test"),
    paired("B", "t2", "b9", split="test"),
    paired("B", "nobody", "a1"),
]


def test_pairs_in_folders_are_checked_as_pairs() -> None:
    """Files without a partner are quarantined. Only a repeated pair is a duplicate, not a repeated image."""
    found = examine(pd.DataFrame(PAIRS), ["A", "B"], ImageValidation(), "folders")
    reasons_by_path = {
        path: f"{reason}: {detail}"
        for path, reason, detail in found.rejected[["path", "reason", "detail"]].itertuples(index=False)
    }
    assert reasons_by_path == {
        "A/3": "undecodable: not an image",
        "B/3": "unpaired: its partner A/3 was set aside: undecodable",
        "A/4": "near_constant: standard deviation 0.0000",
        "B/4": "unpaired: its partner A/4 was set aside: near_constant",
        "A/5": "unequal: 20 x 12, its partner B/5 10 x 12",
        "B/5": "unequal: 10 x 12, its partner A/5 20 x 12",
        "A/6": "duplicate: same values as image A/1",
        "B/6": "duplicate: same values as image B/1",
        "A/lonely": "unpaired: no readable file of this name in 'B'",
        "B/nobody": "unpaired: no readable file of this name in 'A'",
        "test/A/1": "unpaired: no readable file of this name in 'B'",
        "A/twice.jpg": "unpaired: A/twice has this name already",
        "A/t1": "leaked: same values as training image A/1",
        "B/t1": "leaked: same values as training image B/1",
        "stray": "undecodable: is next to the class folders, not in one of them",
    }
    assert found.accepted["path"].tolist() == [
        "A/1",
        "A/2",
        "A/7",
        "A/8",
        "A/twice",
        "A/t2",
        "B/1",
        "B/2",
        "B/7",
        "B/8",
        "B/twice",
        "B/t2",
    ]
    n = found.numbers()
    assert (n["quarantined_unpaired"], n["quarantined_unequal"], n["train_images"], n["test_images"]) == (6, 2, 10, 2)
    assert n["unpaired_share"] == pytest.approx(6 / 25), (
        "the share of decodable files; files whose partner was quarantined do not count"
    )
    assert n["duplicate_share"] == pytest.approx(2 / 25)
    spared = examine(
        pd.DataFrame(PAIRS),
        ["A", "B"],
        ImageValidation.model_validate({"max_unpaired_share": {"limit": 0, "severity": "off"}}),
        "folders",
    )
    assert set(spared.accepted["path"]) - set(found.accepted["path"]) == {"A/5", "B/5"}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("AB"),
            st.sampled_from("123"),
            st.sampled_from(["train", "test"]),
            st.sampled_from(["p", "q", None]),
        ),
        max_size=14,
    )
)
def test_every_accepted_file_has_its_partner(files: list[tuple[str, str, str, str | None]]) -> None:
    rows = [
        paired(side, name, pixels, split=split, error=None if pixels else "bad") for side, name, split, pixels in files
    ]
    found = examine(pd.DataFrame(rows, columns=NAMES), ["A", "B"], ImageValidation(), "folders")
    sides = [
        set(zip(part["split"], part["pair"], strict=True))
        for part in (found.accepted[found.accepted["class"] == side] for side in "AB")
    ]
    assert sides[0] == sides[1]
    assert len(found.accepted) == 2 * len(sides[0])
    assert found.rejected["detail"].notna().all()


def test_halves_are_compared_as_whole_images() -> None:
    rows = [row("a", "P"), row("narrow", "Q", width=7), row("again", "P")]
    found = examine(
        pd.DataFrame(rows),
        [],
        ImageValidation.model_validate({"min_side": {"limit": 8, "severity": "warning"}}),
        "halves",
    )
    assert dict(found.rejected[["path", "reason"]].itertuples(index=False)) == {
        "narrow": "too_small",
        "again": "duplicate",
    }
    assert found.numbers()["pixel_std"] is None


def test_a_manifest_without_pairs_is_readable() -> None:
    old = pd.DataFrame(ROWS).drop(columns="pair")
    assert len(examine(old, [], ImageValidation()).accepted) > 0


def test_numbers_of_a_manifest_without_accepted_files() -> None:
    n = examine(pd.DataFrame([bad("x")]), [], ImageValidation()).numbers()
    assert (n["images_accepted"], n["pixel_mean"], n["pixel_std"], n["error_share"], n["duplicate_share"]) == (
        0,
        None,
        None,
        1.0,
        0.0,
    )
