"""Splits and classes from folder names: known layouts, and properties that hold for any names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.folder_layout import Layout, Place, common_depth, split_folders
from pipeline.errors import InputError
from pipeline.media.image.formats import SUFFIXES


def places(*folders: str) -> dict[str, Place]:
    parts = {folder: tuple(folder.split("/")) if folder else () for folder in folders}
    layout = Layout.of(parts.values())
    return {folder: layout.place(parts[folder]) for folder in folders}


@pytest.mark.parametrize("folders", [[""], ["images"], ["a/b/c"], ["photos", "photos"], ["train"], ["cat"]])
def test_a_single_folder_has_neither_split_nor_class(folders: list[str]) -> None:
    assert set(places(*folders).values()) == {Place()}


def test_folders_are_classes() -> None:
    expected = {"cat": Place(None, "cat"), "dog": Place(None, "dog")}
    assert places("cat", "dog") == expected
    assert places("top/cat", "top/dog") == {f"top/{name}": place for name, place in expected.items()}
    assert places("cat/tabby", "dog/poodle/small", "dog") == {
        "cat/tabby": expected["cat"],
        "dog/poodle/small": expected["dog"],
        "dog": expected["dog"],
    }


@pytest.mark.parametrize("wrapping", ["", "archive/", "archive/data/"])
@pytest.mark.parametrize("inner", ["", "/images"])
def test_split_folders_hold_class_folders(wrapping: str, inner: str) -> None:
    names = {
        f"{wrapping}{split}{inner}/{name}": Place(split, name) for split in ("train", "test") for name in ("0", "1")
    }
    assert places(*names) == names


def test_split_folders_without_classes() -> None:
    assert places("train", "test") == {"train": Place("train"), "test": Place("test")}
    assert places("train/all", "test/all") == {"train/all": Place("train"), "test/all": Place("test")}
    assert Layout.of([("train", "cat"), ("test", "cat")]).classes == ()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"train", "test"}, {"train": "train", "test": "test"}),
        ({"Training", "Testing"}, {"Training": "train", "Testing": "test"}),
        ({"train", "val"}, {"train": "train", "val": "test"}),
        ({"train", "validation", "test"}, {"train": "train", "validation": "train", "test": "test"}),
        ({"train", "valid"}, {"train": "train", "valid": "test"}),
        ({"train", "test", "extra"}, {"train": "train", "test": "test"}),
        ({"training_set", "test_set"}, {"training_set": "train", "test_set": "test"}),
        ({"train_images", "test_images"}, {"train_images": "train", "test_images": "test"}),
        ({"TrainSet", "Test Set"}, {"TrainSet": "train", "Test Set": "test"}),
        ({"train", "dev"}, {"train": "train", "dev": "test"}),
        ({"train", "dev", "test"}, {"train": "train", "dev": "train", "test": "test"}),
        ({"train", "eval"}, {"train": "train", "eval": "test"}),
        ({"train", "holdout"}, {"train": "train", "holdout": "test"}),
        ({"train", "held_out"}, {"train": "train", "held_out": "test"}),
        ({"trainers", "tests"}, {}),
        ({"train_station", "test"}, {}),
        ({"train"}, {}),
        ({"test"}, {}),
        ({"val", "test"}, {}),
        ({"train", "cat"}, {}),
        (set(), {}),
    ],
)
def test_names_of_split_folders(names: set[str], expected: dict[str, str]) -> None:
    assert split_folders(names) == expected


def test_files_outside_of_the_layout_are_rejected() -> None:
    layout = Layout.of([("train", "a"), ("train", "b"), ("test", "a"), ("other",), ()])
    assert layout.classes == ("a", "b")
    assert layout.place(("train", "b", "deep")) == Place("train", "b")
    assert layout.place(("other",)).error == "is outside the folders test, train"
    assert layout.place(()).error == "is outside the folders test, train"
    assert layout.place(("train",)) == Place("train", None, "is next to the class folders, not in one of them")
    assert Layout.of([("a",), ("b",), ()]).place(()).error == "is next to the class folders, not in one of them"


folder = st.lists(st.sampled_from(["train", "test", "val", "a", "b", "images", "Ünï", " "]), max_size=4).map(tuple)


@given(st.lists(folder, max_size=12))
def test_any_folders_give_a_consistent_layout(folders: list[tuple[str, ...]]) -> None:
    layout = Layout.of(folders)
    assert layout == Layout.of(reversed(folders))
    assert list(layout.classes) == sorted(set(layout.classes))
    assert len(layout.classes) != 1
    found = [layout.place(each) for each in folders]
    for place in found:
        assert place.error or (place.label in layout.classes if layout.classes else place.label is None)
        assert place.error or (place.split in ("train", "test") if layout.splits else place.split is None)
    assert {place.label for place in found if place.label} == set(layout.classes)


@given(st.lists(folder, max_size=8), st.lists(st.sampled_from(["x", "y"]), max_size=3).map(tuple))
def test_a_wrapping_folder_does_not_change_the_layout(
    folders: list[tuple[str, ...]], wrapping: tuple[str, ...]
) -> None:
    plain, wrapped = Layout.of(folders), Layout.of([wrapping + each for each in folders])
    assert [plain.place(each) for each in folders] == [wrapped.place(wrapping + each) for each in folders]


@given(st.sets(folder, min_size=1))
def test_common_depth_is_the_longest_shared_prefix(folders: set[tuple[str, ...]]) -> None:
    depth = common_depth(folders)
    assert len({each[:depth] for each in folders}) == 1
    assert min(map(len, folders)) == depth or len({each[: depth + 1] for each in folders}) > 1


@pytest.mark.parametrize("wrapping", ["", "horse2zebra/"])
@pytest.mark.parametrize("held_out", ["test", "val", "Testing_"])
def test_one_folder_name_states_split_and_domain(wrapping: str, held_out: str) -> None:
    names = {
        f"{wrapping}{folder}": place
        for folder, place in (("trainA", Place("train", "A")), ("trainB", Place("train", "B")))
    }
    names |= {f"{wrapping}{held_out}{side}": Place("test", side) for side in "AB"}
    assert places(*names) == names
    layout = Layout.of([tuple(name.split("/")) for name in names])
    assert (
        layout.pair_name(f"{wrapping}trainA/deep/1.PNG", SUFFIXES)
        == layout.pair_name(f"{wrapping}trainB/deep/1.jpeg", SUFFIXES)
        == "deep/1"
    )


def test_train_a_and_train_b_without_a_test_folder_are_classes() -> None:
    assert places("trainA", "trainB") == {"trainA": Place(None, "trainA"), "trainB": Place(None, "trainB")}
    assert Layout.of([("trainA",), ("testA",)]).classes == ("testA", "trainA")


def test_a_selection_of_classes() -> None:
    every = Layout.of([(split, name) for split in ("train", "test") for name in ("cat", "deer", "horse")])
    some = every.with_classes(["horse", "cat"])
    assert every.labels == ("cat", "deer", "horse")
    assert some.labels == ("horse", "cat")
    assert some.place(("train", "horse")) == Place("train", "horse")
    assert some.place(("test", "deer", "deep")) == Place("test", "deer", wanted=False)
    assert some.place(("train",)).error == "is next to the class folders, not in one of them"
    one = every.with_classes(["deer"])
    assert one.labels == ()
    assert (one.place(("train", "deer")), one.place(("train", "cat"))) == (Place("train"), Place("train", wanted=False))
    assert some.without_labels().place(("train", "horse")) == Place("train")
    assert not some.without_labels().place(("train", "deer")).wanted
    assert every.without_labels().place(("train",)) == Place("train"), "without a selection every folder is used"
    with pytest.raises(InputError, match=r"no class 'hrose'; did you mean `horse`\? its classes are cat, deer, horse$"):
        every.with_classes(["cat", "hrose"])
    with pytest.raises(InputError, match="the source has no classes"):
        Layout.of([("photos",)]).with_classes(["photos"])
    with pytest.raises(InputError, match=r"its classes are .* and 180 more$"):
        Layout.of([(f"{number:03d}",) for number in range(200)]).with_classes(["x"])


def test_partners_have_the_same_name_without_suffix() -> None:
    plain, split = (
        Layout.of([("top", "a"), ("top", "b")]),
        Layout.of([(part, "images", side) for part in ("train", "test") for side in "ab"]),
    )
    assert (
        plain.pair_name("top/a/1.png", SUFFIXES)
        == plain.pair_name("top/b/1.JPG", SUFFIXES)
        == plain.pair_name("top/b/1", SUFFIXES)
        == "1"
    )
    assert (
        split.pair_name("train/images/a/x/1.tif", SUFFIXES)
        == split.pair_name("test/images/b/x/1.png", SUFFIXES)
        == "x/1"
    )
    assert plain.pair_name("top/a/1.v2", SUFFIXES) == "1.v2", "only suffixes of images are removed"
    assert plain.pair_name("top/a/1.v2.png", SUFFIXES) == "1.v2"
    assert plain.pair_name("top/a/caf\u00e9.png", SUFFIXES) == plain.pair_name("top/b/cafe\u0301.png", SUFFIXES)
    assert plain.pair_name("top/a/A.png", SUFFIXES) != plain.pair_name("top/b/a.png", SUFFIXES)
