"""From sources to the store: reproducible bytes, facts, splits, limits, classes and sizes."""

import hashlib
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.data import store_writer
from pipeline.data.store import DatasetInfo
from pipeline.errors import InputError
from pipeline.media.image.image import Target, decode
from tests.data.ingesting import open_accepted, read_digests, read_errors, run_ingestion, write_zip


def test_the_store_depends_neither_on_the_kind_of_source_nor_on_the_number_of_processes(
    tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    names = [
        f"{split}/{name}/{number:03d}.png"
        for split in ("test", "train")
        for name in ("cat", "dog")
        for number in range(40)
    ]
    source = image_folder(names)
    write_zip(tmp_path / "source.zip", {name: (source / name).read_bytes() for name in names})
    with tarfile.open(tmp_path / "source.tgz", "w:gz") as archive:
        archive.add(source, "wrapped")
    stores = {}
    for label, path, workers in (
        ("folder", source, 1),
        ("again", source, 1),
        ("two", source, 2),
        ("three", source, 3),
        ("zip", tmp_path / "source.zip", 1),
    ):
        (tmp_path / label).mkdir()
        run_ingestion(path, tmp_path / label, workers=workers)
        stores[label] = read_digests(tmp_path / label / "dataset")
    assert stores["folder"] == stores["again"] == stores["two"] == stores["three"]
    assert {name: value for name, value in stores["zip"].items() if name != "dataset.json"} == {
        name: value for name, value in stores["folder"].items() if name != "dataset.json"
    }
    (tmp_path / "tar").mkdir()
    info, _ = run_ingestion(tmp_path / "source.tgz", tmp_path / "tar")
    assert info.splits == {"train": 80, "test": 80}
    assert info.item.classes == ("cat", "dog")


def test_the_store_holds_the_decoded_images_and_their_facts(
    tmp_path: Path, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_writer, "SHARD_BYTES", 10 * 8 * 8 * 3)
    monkeypatch.setattr(store_writer, "GROUP_ROWS", 7)
    source = image_folder([f"{name}/{number:03d}.png" for name in ("b", "a", "c") for number in range(9)])
    info, rows = run_ingestion(source, tmp_path, test_fraction=0.4)
    assert [shard.rows for shard in info.shards] == [10, 10, 7]
    assert pq.ParquetFile(tmp_path / "dataset" / "manifest.parquet").num_row_groups == 4
    shards = [np.load(tmp_path / "dataset" / "shards" / shard.file, allow_pickle=False) for shard in info.shards]
    digest = hashlib.sha256()
    for row in rows:
        pixels = shards[row["shard"]][row["row"]]
        expected = decode((source / row["path"]).read_bytes(), Target(8, "rgb")).pixels
        assert (pixels == expected).all()
        assert row["pixels_sha256"] == hashlib.sha256(expected.tobytes()).hexdigest()
        assert row["mean"] == pytest.approx(expected.mean() / 255, abs=1e-12)
        assert row["std"] == pytest.approx(expected.std() / 255, abs=1e-9)
        assert info.item.classes[row["label"]] == row["class"] == row["path"].split("/")[0]
        digest.update(f"{row['pixels_sha256']} {row['label']} {row['split']}\n".encode())
    assert info.fingerprint == digest.hexdigest()
    assert info.splits == {split: sum(row["split"] == split for row in rows) for split in ("train", "test")}
    assert info == DatasetInfo.read(tmp_path / "dataset")


def test_the_test_split_is_chosen_by_content(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    names = [f"{number:03d}.png" for number in range(120)]
    copies = dict.fromkeys(names[:20], 7)  # twenty copies of one image
    _, rows = run_ingestion(image_folder(names, seeds=copies), tmp_path, test_fraction=0.25)
    split = {row["path"]: row["split"] for row in rows}
    assert len({split[name] for name in copies}) == 1
    share = sum(value == "test" for name, value in split.items() if name not in copies) / 100
    assert 0.1 < share < 0.4
    more = [f"extra{number}.png" for number in range(30)] + names
    seeds = (
        {name: 1000 + position for position, name in enumerate(names)}
        | copies
        | {f"extra{number}.png": 5000 + number for number in range(30)}
    )
    (tmp_path / "grown").mkdir()
    _, grown = run_ingestion(image_folder(more, "more", seeds), tmp_path / "grown", test_fraction=0.25)
    assert {row["path"]: row["split"] for row in grown if row["path"] in split} == split
    (tmp_path / "other").mkdir()
    _, other = run_ingestion(tmp_path / "source", tmp_path / "other", test_fraction=0.25, seed=1)
    assert {row["path"]: row["split"] for row in other} != split
    (tmp_path / "none").mkdir()
    info, _ = run_ingestion(tmp_path / "source", tmp_path / "none", test_fraction=0)
    assert info.splits == {"train": 120, "test": 0}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_limit_takes_the_first_valid_files_of_each_split_and_class(
    tmp_path: Path, image_folder: Callable[..., Path], workers: int
) -> None:
    names = [
        f"{split}/{name}/{number:03d}.png"
        for split in ("train", "test")
        for name in ("a", "b")
        for number in range(150)
    ]
    source = image_folder(names)
    (source / "train" / "a" / "001.png").write_bytes(b"bad")
    (source / "train" / "b" / "149.png").write_bytes(b"bad, and never reached")
    info, rows = run_ingestion(source, tmp_path, workers=workers, limit=5)
    assert info.splits == {"train": 10, "test": 10}
    good = [row["path"] for row in rows if not row["error"]]
    assert [path for path in good if path.startswith("train/a")] == [
        f"train/a/{number:03d}.png" for number in (0, 2, 3, 4, 5)
    ]
    assert list(read_errors(rows)) == ["train/a/001.png"]


def test_the_limit_with_a_drawn_split(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    source = image_folder([f"{number:03d}.png" for number in range(200)])
    info, rows = run_ingestion(source, tmp_path, limit=10, test_fraction=0.3)
    assert info.splits == {"train": 10, "test": 4}, "0.3 / 0.7 of 10"
    everything = tmp_path / "all"
    everything.mkdir()
    _, every = run_ingestion(source, everything, test_fraction=0.3)
    for split in ("train", "test"):
        assert [row["path"] for row in rows if row["split"] == split] == [
            row["path"] for row in every if row["split"] == split
        ][: info.splits[split]]


@pytest.mark.parametrize(
    ("names", "settings", "splits", "line"),
    [
        (
            "{0:03d}.png",
            {"limit": 20},
            {"train": 20, "test": 5},
            "data.limit 20: at most 20 train and 5 test items (data.test_fraction 0.2)",
        ),
        (
            "{1}/{2:03d}.png",
            {"limit": 8},
            {"train": 16, "test": 4},
            "data.limit 8: at most 8 train and 2 test items of each class (data.test_fraction 0.2)",
        ),
        ("{0:03d}.png", {"limit": 5, "test_fraction": 0}, {"train": 5, "test": 0}, None),
        (
            "{3}/{0:03d}.png",
            {"limit": 5},
            {"train": 5, "test": 5},
            "data.limit 5: at most 5 train and 5 test items (the source has its own test split)",
        ),
    ],
)
def test_the_limit_keeps_the_share_that_is_held_out(
    tmp_path: Path,
    image_folder: Callable[..., Path],
    names: str,
    settings: dict[str, Any],
    splits: dict[str, int],
    line: str | None,
) -> None:
    files = [names.format(n, "ab"[n % 2], n // 2, ("train", "test")[n % 2]) for n in range(160)]
    lines: list[str] = []
    info, _ = run_ingestion(image_folder(files), tmp_path, report=lines.append, **settings)
    assert info.splits == splits
    assert line is None or lines == [line]


def test_texts_next_to_images_are_skipped(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    source = image_folder([f"{name}/{number}.png" for name in ("a", "b") for number in range(5)])
    for number in range(5):
        (source / "a" / f"{number}.txt").write_text("a caption")
    (source / "labels.JSON").write_text("{}")
    lines: list[str] = []
    info, rows = run_ingestion(source, tmp_path, report=lines.append)
    assert (info.images, info.set_aside, len(rows)) == (10, 0, 10)
    assert lines == ["skipped 6 files of other types (.txt 5, .json 1)"]


def test_class_names_are_compared_in_composed_form(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    """Archives from macOS name `é` as two characters, those of other systems as one."""
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    folders = (f"train/{composed}", "train/b", f"test/{decomposed}", "test/b")
    source = image_folder([f"{folder}/{number}.png" for folder in folders for number in range(3)])
    info, rows = run_ingestion(source, tmp_path)
    assert info.item.classes == ("b", composed)
    assert {row["class"] for row in rows} == {"b", composed}
    info, _ = run_ingestion(source, tmp_path, classes=[decomposed, "b"])
    assert info.item.classes == (composed, "b")
    with pytest.raises(InputError, match=r"has no class 'B'; did you mean `b`\?"):
        run_ingestion(source, tmp_path, classes=["B", composed])


def test_files_outside_of_class_folders_are_reported(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    source = image_folder(["train/a/1.png", "train/b/2.png", "test/a/3.png", "stray.png", "train/stray.png"])
    (source / "notes.txt").write_text("notes")
    info, rows = run_ingestion(source, tmp_path)
    found = read_errors(rows)
    assert "outside the folders test, train" in found["stray.png"]
    assert "next to the class folders" in found["train/stray.png"]
    assert "notes.txt" not in found, "a text is known to be no image"
    assert info.images == 3


def test_digits_are_scikit_learn_s(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    info, rows = run_ingestion("digits", tmp_path, channels="gray")
    assert (info.source, info.images, info.item.channels, info.item.classes) == (
        "digits",
        1797,
        1,
        tuple(map(str, range(10))),
    )
    data = load_digits()
    shard = np.load(tmp_path / "dataset" / "shards" / "00000.npy", allow_pickle=False)
    assert (shard[:, :, :, 0] == np.rint(data.images * 255 / 16)).all()
    assert [row["label"] for row in rows] == data.target.tolist()
    assert 0.15 < info.splits["test"] / 1797 < 0.25


def test_a_source_without_valid_files_is_an_error_and_keeps_the_old_store(
    tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    run_ingestion(image_folder(["1.png", "2.png"]), tmp_path)
    before = read_digests(tmp_path / "dataset")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".DS_Store").write_bytes(b"x")
    with pytest.raises(InputError, match=r"empty: is empty; expected images"):
        run_ingestion(tmp_path / "empty", tmp_path)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    with pytest.raises(InputError, match=r"texts: contains only 1 file of other types \(\.txt 1\); expected images"):
        run_ingestion(tmp_path / "texts", tmp_path)
    (tmp_path / "texts" / "a.png").write_text("a")
    with pytest.raises(InputError, match=r"none of its 1 files can be used.*a\.png: not an image"):
        run_ingestion(tmp_path / "texts", tmp_path)
    assert read_digests(tmp_path / "dataset") == before
    assert not list(tmp_path.glob(".dataset*"))


@pytest.mark.parametrize(
    ("name", "settings", "images", "aside", "classes"),
    [
        ("fashion-mnist.zip", {"limit": 6, "channels": "gray", "resolution": 32}, 120, 0, 10),
        ("cifar10.zip", {"limit": 6, "resolution": 32}, 120, 0, 10),
        ("noto-emoji.zip", {"limit": 60, "resolution": 64, "limits": {}}, 75, 0, 0),
        ("noto-emoji.zip", {"limit": 60, "resolution": 64, "pairs": "outline", "limits": {}}, 75, 0, 0),
        ("kodak24.zip", {"resolution": 64, "limits": {}}, 24, 0, 0),
    ],
)
def test_real_data_sets_are_ingested(
    tmp_path: Path, shared_data: Path, name: str, settings: dict[str, Any], images: int, aside: int, classes: int
) -> None:
    info, _ = run_ingestion(shared_data / name, tmp_path, **settings)
    assert (info.images, info.set_aside, len(info.item.classes), info.source) == (images, aside, classes, name)


def test_images_keep_their_sizes_and_small_ones_are_quarantined(tmp_path: Path) -> None:
    from PIL import Image

    from pipeline.data.store import VariableSizeSet, open_split

    sizes = {"a.png": (40, 30), "b.png": (17, 64), "small.png": (50, 15), "c.jpg": (33, 47)}
    for number, (name, size) in enumerate(sizes.items()):
        path = tmp_path / "source" / name
        path.parent.mkdir(exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    info, rows = run_ingestion(tmp_path / "source", tmp_path, resolution=16, fit="keep", test_fraction=0)
    assert (info.images, info.set_aside, info.item.height, info.own_sizes) == (3, 1, 16, True)
    assert read_errors(rows) == {
        "small.png": "50 x 15 pixels: smaller than the crops used in training (data.resolution 16)"
    }
    (tmp_path / "validated").mkdir()
    manifest = pq.read_table(tmp_path / "dataset" / "manifest.parquet")
    pq.write_table(
        manifest.filter([not error for error in manifest["error"].to_pylist()]),
        tmp_path / "validated" / "index.parquet",
    )
    found = open_split(tmp_path / "dataset", tmp_path / "validated", "train")
    assert isinstance(found, VariableSizeSet)
    for number, name in enumerate(found.names):
        with Image.open(tmp_path / "source" / name) as image:
            assert (found.read_uncropped(number) == np.asarray(image)).all()


def test_only_the_selected_classes_are_stored_in_their_order(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    names = [
        f"{split}/{name}/{number}.png"
        for split in ("train", "test")
        for name in ("cat", "deer", "horse")
        for number in range(4)
    ]
    source = image_folder(names)
    (source / "train" / "cat" / "bad.png").write_bytes(b"a bad file of a class that nobody asked for")
    (source / "train" / "deer" / "bad.png").write_bytes(b"bad")
    (source / "train" / "cat" / "link.png").symlink_to("/etc/passwd")
    info, rows = run_ingestion(source, tmp_path, classes=["horse", "deer"])
    assert (info.item.classes, info.images, info.set_aside, info.splits) == (
        ("horse", "deer"),
        16,
        1,
        {"train": 8, "test": 8},
    )
    assert {(row["class"], row["label"]) for row in rows if not row["error"]} == {("horse", 0), ("deer", 1)}
    assert list(read_errors(rows)) == ["train/deer/bad.png"]
    info, rows = run_ingestion(source, tmp_path, classes=["horse", "deer"], limit=1)
    assert (info.images, [row["class"] for row in rows]) == (4, ["deer", "horse"] * 2)
    info, rows = run_ingestion(source, tmp_path, classes=["deer"])
    assert (info.item.classes, info.images, {row["label"] for row in rows}) == ((), 8, {-1})
    before = read_digests(tmp_path / "dataset")
    with pytest.raises(
        InputError,
        match=r"data.classes: the source has no class 'hrose'; did you mean `horse`\? its classes are cat, deer, horse",
    ):
        run_ingestion(source, tmp_path, classes=["hrose", "deer"])
    assert read_digests(tmp_path / "dataset") == before


def test_two_classes_of_cifar_10_are_domains(tmp_path: Path, shared_data: Path) -> None:
    from pipeline.data.domains import split_domains

    info, rows = run_ingestion(
        shared_data / "cifar10.zip", tmp_path, resolution=32, classes=["horse", "deer"], limit=20
    )
    assert (info.item.classes, info.splits, info.set_aside) == (("horse", "deer"), {"train": 40, "test": 40}, 0)
    assert all(f"/{info.item.classes[row['label']]}/" in row["path"] for row in rows)
    horse, deer = split_domains(open_accepted(tmp_path)).values()
    assert (len(horse), len(deer), horse.name, deer.name) == (20, 20, "horse", "deer")
