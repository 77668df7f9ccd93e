"""Warnings about class names: those that look like splits, and those that differ only in case."""

import pytest

from pipeline.data.class_names import check_class_names, check_class_numbers
from pipeline.data.folder_layout import Layout


def warnings(*folders: str) -> list[str]:
    parts = [tuple(folder.split("/")) for folder in folders]
    return list(check_class_names(Layout.of(parts), parts))


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["mnist_train", "mnist_test"], "'mnist_test', 'mnist_train'"),
        (["coco/train2017", "coco/val2017"], "'train2017', 'val2017'"),
        (["train2017/a", "train2017/b", "val2017/a", "val2017/b"], "'train2017', 'val2017'"),
        (["cats-Train/x", "cats-Test/x"], "'cats-Test', 'cats-Train'"),
        (["dataTrain", "dataTest"], "'dataTest', 'dataTrain'"),
        (["val", "test"], "'test', 'val'"),
        (["fold1/a", "fold1/b", "fold2/a", "fold2/b"], "'fold1', 'fold2'"),
        (["query/1", "query/2", "query/3", "gallery/2", "gallery/3"], "'gallery', 'query'"),
    ],
)
def test_classes_that_look_like_splits_with_folders_alike_below_give_a_warning(folders: list[str], names: str) -> None:
    (warning,) = warnings(*folders)
    assert warning.startswith(f"the classes {names} look like splits")
    assert "rename the folders to train/ and test/" in warning


@pytest.mark.parametrize(
    "folders",
    [
        ["train/a", "train/b", "test/a", "test/b"],
        ["train", "car", "bus"],
        ["training_a", "training_b"],
        ["constrained", "latest"],
        ["old_train/engine", "old_train/coach", "glass_test/tube", "glass_test/flask"],
        ["a", "b"],
    ],
)
def test_other_class_names_give_no_warning(folders: list[str]) -> None:
    assert warnings(*folders) == []


def test_class_names_that_differ_only_in_case_give_a_warning() -> None:
    (warning,) = warnings("train/Cat", "train/dog", "test/cat", "test/dog")
    assert warning.startswith("the classes 'Cat', 'cat' differ only in case")


def test_classes_keep_their_numbers_and_new_ones_follow() -> None:
    layout = Layout.of([("ant",), ("bee",), ("cat",)])
    assert layout.keep_order([]).labels == layout.keep_order(["x", "y"]).labels == ("ant", "bee", "cat")
    assert layout.keep_order(["bee", "cat"]).labels == ("bee", "cat", "ant")
    assert layout.keep_order(["cat", "dog", "ant"]).labels == ("cat", "ant", "bee")


def test_changed_numbers_of_classes_give_a_warning() -> None:
    assert list(check_class_numbers(["b", "c", "a"], ["b", "c"])) == []
    assert list(check_class_numbers(["a", "b"], ["x", "y"])) == []
    assert list(check_class_numbers(["a", "b"], ["a", "b", "c"])) == []
    (warning,) = check_class_numbers(["a", "c"], ["a", "b", "c"])
    assert warning.startswith("classes change their numbers: 'c' 2 to 1. The classes 'b' are missing. Clients")
