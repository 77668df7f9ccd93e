"""Labels, captions and splits from metadata files."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.sources.label_files import PARSERS, UnknownFormat
from pipeline.data.sources.notes import Note, with_known_splits, with_padded_numbers
from pipeline.errors import InputError
from tests.data.ingesting import read_errors, run_ingestion

ImageFolder = Callable[..., Path]


def parse(name: str, text: str) -> dict[str, Note]:
    return dict(PARSERS[name](text.encode()))


@pytest.mark.parametrize(
    ("name", "text", "notes"),
    [
        ("metadata.csv", "file_name,label\na.png,cat\n", {"a.png": Note("cat")}),
        ("metadata.csv", '\ufefffile_name,text\na.png,"a cat, asleep"\n', {"a.png": Note(None, "a cat, asleep")}),
        ("metadata.csv", "File_Name,Class,split\nx/a.png, cat ,dev\n", {"x/a.png": Note("cat", None, "dev")}),
        ("metadata.jsonl", '{"file_name": "a.png", "caption": "x", "label": 3}\n\n', {"a.png": Note("3", "x")}),
        ("metadata.jsonl", '{"file_name": "a.png", "label": [0.1, 0.2]}\n', {"a.png": Note()}),
        (
            "dataset.json",
            '{"labels": [["00000/a.png", 6], ["b.png", null]]}',
            {"00000/a.png": Note("6"), "b.png": Note()},
        ),
        ("dataset.json", '{"labels": {"a.png": 1}}', {"a.png": Note("1")}),
        ("dataset.json", '{"labels": null}', {}),
    ],
)
def test_each_convention_is_read(name: str, text: str, notes: dict[str, Note]) -> None:
    assert parse(name, text) == notes


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("metadata.csv", "id,label\n1,cat\n", "no column file_name; its columns are id, label"),
        ("metadata.jsonl", "{broken", "not valid JSON"),
        ("metadata.jsonl", "[1]\n", "a line is not an object"),
        ("dataset.json", '{"images": []}', "no key `labels`"),
        ("dataset.json", '{"labels": [1]}', "not a list of"),
    ],
)
def test_other_files_of_such_a_name_are_no_metadata(name: str, text: str, words: str) -> None:
    with pytest.raises(UnknownFormat, match=words):
        parse(name, text)


def test_numbers_are_padded_only_if_all_labels_are_numbers() -> None:
    assert with_padded_numbers({"a": Note("2"), "b": Note("10"), "c": Note()}) == {
        "a": Note("02"),
        "b": Note("10"),
        "c": Note(),
    }
    assert with_padded_numbers({"a": Note("2"), "b": Note("ten")}) == {"a": Note("2"), "b": Note("ten")}


def test_splits_of_metadata_have_the_meaning_of_folders() -> None:
    notes = {name: Note(split=name) for name in ("train", "validation", "test")}
    assert {name: note.split for name, note in with_known_splits(notes).items()} == {
        "train": "train",
        "validation": "train",
        "test": "test",
    }
    assert with_known_splits({"a": Note(split="A"), "b": Note(split="train")}) == {"a": Note(), "b": Note()}


def facts(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    return {row["path"]: (row["split"], row["class"], row["caption"]) for row in rows if not row["error"]}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_chunks_of_stylegan_s_tools_have_the_labels_of_dataset_json(
    tmp_path: Path, image_folder: ImageFolder, kind: str
) -> None:
    names = [f"0000{number // 5}/img{number:08d}.png" for number in range(12)]
    source = image_folder(names)
    (source / "dataset.json").write_text(json.dumps({"labels": [[name, number] for number, name in enumerate(names)]}))
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "source.zip", "w") as archive:
            for path in sorted(source.rglob("*.*")):
                archive.write(path, f"top/{path.relative_to(source)}")
    info, rows = run_ingestion(source if kind == "folder" else tmp_path / "source.zip", tmp_path)
    assert info.item.classes == tuple(f"{number:02d}" for number in range(12))
    assert [row["label"] for row in rows] == list(range(12))
    assert rows[7]["path"].endswith(names[7])
    (source / "dataset.json").write_text('{"labels": null}')
    info, rows = run_ingestion(source, tmp_path)
    assert (info.item.classes, info.images) == ((), 12), "without labels, chunks are not classes either"


def test_image_folders_have_labels_captions_and_splits(tmp_path: Path, image_folder: ImageFolder) -> None:
    source = image_folder(["train/x/0.png", "train/1.png", "train/2.png", "test/3.png", "test/4.png"])
    (source / "train" / "metadata.jsonl").write_text(
        '{"file_name": "x/0.png", "label": "dog", "text": "a dog"}\n{"file_name": "1.png", "label": "cat"}\n'
    )
    (source / "test" / "metadata.csv").write_text("file_name,label,text\n3.png,dog,hound\n4.png,cat,\n")
    lines: list[str] = []
    info, rows = run_ingestion(source, tmp_path, report=lines.append)
    assert facts(rows) == {
        "train/x/0.png": ("train", "dog", "a dog"),
        "train/1.png": ("train", "cat", None),
        "test/3.png": ("test", "dog", "hound"),
        "test/4.png": ("test", "cat", None),
    }
    assert read_errors(rows) == {"train/2.png": "has no label in the metadata of the source"}
    assert info.item.classes == ("cat", "dog")
    (line,) = lines  # metadata is not among the skipped files
    assert line.startswith("warning: 1 of 2 training items have no caption")


def test_captions_alone_leave_the_meaning_of_folders(tmp_path: Path, image_folder: ImageFolder) -> None:
    source = image_folder(["a/0.png", "b/1.png"])
    (source / "metadata.csv").write_text("file_name,caption\na/0.png,first\n./b/1.png,second\n")
    info, rows = run_ingestion(source, tmp_path, test_fraction=0)
    assert facts(rows) == {"a/0.png": ("train", "a", "first"), "b/1.png": ("train", "b", "second")}
    info, rows = run_ingestion(source, tmp_path, test_fraction=0, folders="ignore")
    assert facts(rows) == {"a/0.png": ("train", None, "first"), "b/1.png": ("train", None, "second")}
    assert info.item.classes == ()


def test_a_captions_file_describes_files_in_folders_below_by_their_names(
    tmp_path: Path, image_folder: ImageFolder
) -> None:
    source = image_folder(["images/0.png", "images/deep/1.png", "images/2.png", "3.png"])
    rows = ["file,caption", "0.png,first", "1.png,second", "images/2.png,third", "2.png,other", "3.png,fourth"]
    (source / "captions.csv").write_text("\n".join(rows))
    (source / "images" / "deep" / "captions.jsonl").write_text('{"file_name": "1.png", "caption": "nearer"}')
    lines: list[str] = []
    info, found = run_ingestion(source, tmp_path, test_fraction=0, folders="ignore", report=lines.append)
    captions = {path: caption for path, (_, _, caption) in facts(found).items()}
    expected = {"images/0.png": "first", "images/deep/1.png": "nearer", "images/2.png": "third", "3.png": "fourth"}
    assert captions == expected
    assert lines == [], "a captions file is not among the skipped files"
    assert info.item.vocabulary is not None


def test_folders_may_mean_nothing(tmp_path: Path, image_folder: ImageFolder) -> None:
    source = image_folder([f"{folder}/{number}.png" for folder in ("train", "test", "b") for number in range(20)])
    (source / "metadata.csv").write_text("name,rating\nx,1\n")
    lines: list[str] = []
    info, rows = run_ingestion(source, tmp_path, folders="ignore", report=lines.append)
    assert (info.item.classes, info.images) == ((), 60)
    assert {row["split"] for row in rows if row["path"].startswith("train/")} == {"train", "test"}
    assert lines[0] == ("warning: metadata.csv is not used: it has no column file_name; its columns are name, rating")


def test_pairs_in_folders_keep_their_folders(tmp_path: Path, image_folder: ImageFolder) -> None:
    source = image_folder([f"{side}/{number}.png" for side in "AB" for number in range(3)])
    (source / "dataset.json").write_text('{"labels": [["A/0.png", 1]]}')
    info, _ = run_ingestion(source, tmp_path, pairs="folders", test_fraction=0)
    assert (info.item.classes, info.images) == (("A", "B"), 6)


def test_metadata_that_cannot_be_read_is_an_error(tmp_path: Path, image_folder: ImageFolder) -> None:
    source = image_folder(["a/0.png"])
    (source / "metadata.csv").write_bytes(b"file_name,label\n" * 20_000)
    with pytest.raises(InputError, match=r"data\.source: metadata\.csv: larger than data\.limits\.bytes"):
        run_ingestion(source, tmp_path)
