"""Tables, Parquet files, arrays and WebDataset's tars as sources."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.data.sources import parquet
from pipeline.errors import InputError
from pipeline.media.image.image import Target, decode
from tests.data.conftest import picture, saved
from tests.data.ingesting import read_errors, run_ingestion

Rows = list[dict[str, Any]]


def png(seed: int) -> bytes:
    return saved(picture(seed), "PNG")


def placed(rows: Rows) -> list[tuple[str, str, str | None]]:
    return [(row["split"], row["class"], row["caption"]) for row in rows if not row["error"]]


def assert_pictures(folder: Path, rows: Rows, seeds: list[int]) -> None:
    """Assert that the stored images are those of the seeds, in this order."""
    stored = np.concatenate([np.load(path) for path in sorted((folder / "dataset" / "shards").iterdir())])
    good = [row for row in rows if not row["error"]]
    assert len(good) == len(stored) == len(seeds)
    for values, seed in zip(stored, seeds, strict=True):
        assert (values == decode(png(seed), Target(8, "rgb")).pixels).all()


def write_hub_export(path: Path, seeds: list[int], labels: list[int], captions: list[str] | None = None) -> None:
    """Write a file as the Hugging Face hub exports it: struct of bytes and path, class names in the schema."""
    columns: dict[str, Any] = {
        "image": pa.array([{"bytes": png(seed), "path": f"{seed}.png"} for seed in seeds]),
        "label": pa.array(labels, pa.int64()),
    }
    if captions is not None:
        columns["text"] = pa.array(captions)
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog", "ant"]}}
    table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=3)


def test_parquet_files_of_the_hub_hold_images_labels_and_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "BATCH_ROWS", 2)
    source = tmp_path / "export"
    write_hub_export(source / "data/test-00000-of-00001.parquet", [10, 11], [1, 0])
    write_hub_export(source / "data/train-00000-of-00002.parquet", [0, 1, 2, 3, 4], [0, 1, 0, 1, 2])
    write_hub_export(source / "data/train-00001-of-00002.parquet", [5, 6], [1, 0])
    (source / "README.md").write_text("# card")
    info, rows = run_ingestion(source, tmp_path)
    assert info.item.classes == ("ant", "cat", "dog")
    assert [row["path"] for row in rows][:3] == [
        "data/test-00000-of-00001.parquet/0000000",
        "data/test-00000-of-00001.parquet/0000001",
        "data/train-00000-of-00002.parquet/0000000",
    ]
    assert info.splits == {"train": 7, "test": 2}
    assert [row["class"] for row in rows] == ["dog", "cat", "cat", "dog", "cat", "dog", "ant", "dog", "cat"]
    assert_pictures(tmp_path, rows, [10, 11, *range(7)])
    info, rows = run_ingestion(source, tmp_path, limit=1, folders="ignore")
    assert info.splits == {"train": 3, "test": 2}, "labels of a table are no folders"


def test_one_parquet_file_with_bytes_or_paths_and_captions(tmp_path: Path) -> None:
    cells = [{"bytes": png(1), "path": None}, {"bytes": None, "path": "files/2.png"}, {"bytes": None, "path": None}]
    cells.append({"bytes": None, "path": "../secret.png"})
    table = pa.table({"image": pa.array(cells), "caption": ["one", "two", None, "x"], "class": ["b", "a", "a", "a"]})
    pq.write_table(table, tmp_path / "own.parquet")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "2.png").write_bytes(png(2))
    _, rows = run_ingestion(tmp_path / "own.parquet", tmp_path, test_fraction=0)
    assert placed(rows) == [("train", "b", "one"), ("train", "a", "two")]
    assert_pictures(tmp_path, rows, [1, 2])
    assert read_errors(rows) == {
        "own.parquet/0000002": "the row has no image",
        "own.parquet/0000003": "../secret.png is not below the folder of the Parquet file",
    }
    pq.write_table(pa.table({"img": [png(3), png(4)]}), tmp_path / "plain.parquet")
    info, rows = run_ingestion(tmp_path / "plain.parquet", tmp_path, test_fraction=0)
    assert info.item.classes == ()
    assert_pictures(tmp_path, rows, [3, 4])


def test_a_table_lists_paths_labels_captions_and_splits(tmp_path: Path) -> None:
    (tmp_path / "in" / "pictures").mkdir(parents=True)
    for seed in range(5):
        (tmp_path / "in" / "pictures" / f"{seed}.png").write_bytes(png(seed))
    table = tmp_path / "in" / "labels.csv"
    table.write_text(
        "path,label,split,caption\n"
        "pictures/3.png,11,train,\n./pictures/0.png,9,test,zero\npictures/1.png,9,train,one\n"
        "pictures/absent.png,9,train,\n../outside.png,9,train,\npictures/2.png,,train,\n"
    )
    info, rows = run_ingestion(table, tmp_path)
    assert info.item.classes == ("09", "11")
    assert placed(rows) == [("train", "11", None), ("test", "09", "zero"), ("train", "09", "one")]
    assert_pictures(tmp_path, rows, [3, 0, 1])
    assert read_errors(rows) == {
        "pictures/absent.png": "cannot be read: No such file or directory",
        "../outside.png": "is not below the folder of the table; put the table above its files",
        "pictures/2.png": "has no label in the table",
    }
    (tmp_path / "in" / "labels.tsv").write_text("file_name\tlabel\npictures/0.png\ta\npictures/1.png\tb\n")
    assert run_ingestion(tmp_path / "in" / "labels.tsv", tmp_path)[0].item.classes == ("a", "b")
    table.write_text("pictures/0.png,cat\n")
    with pytest.raises(
        InputError, match=r"labels\.csv: it has no column file_name; its columns are pictures/0.png, cat"
    ):
        run_ingestion(table, tmp_path)


def pixels(count: int, *shape: int) -> Any:
    return np.random.default_rng(len(shape)).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.mark.parametrize(
    ("arrays", "classes", "splits"),
    [
        ({"images": pixels(6, 9, 9), "labels": np.array([2, 10, 2, 10, 2, 2])}, ("02", "10"), {"train": 6, "test": 0}),
        ({"arr_0": pixels(4, 3, 9, 9)}, (), {"train": 4, "test": 0}),
        (
            {
                "x_train": pixels(4, 9, 9, 3),
                "y_train": np.array([[0], [1], [0], [1]]),
                "x_test": pixels(2, 9, 9, 3)[::-1],
                "y_test": np.array([[1], [0]]),
            },
            ("0", "1"),
            {"train": 4, "test": 2},
        ),
        ({"images": pixels(3, 9, 9) > 99, "labels": np.array(["b", "a", "b"])}, ("a", "b"), {"train": 3, "test": 0}),
    ],
)
def test_arrays_are_images(
    tmp_path: Path, arrays: Mapping[str, Any], classes: tuple[str, ...], splits: dict[str, int]
) -> None:
    np.savez(tmp_path / "set.npz", **arrays)
    info, _ = run_ingestion(tmp_path / "set.npz", tmp_path, resolution=9, test_fraction=0)
    assert (info.item.classes, info.splits, info.set_aside) == (classes, splits, 0)
    stored = np.load(tmp_path / "dataset" / "shards" / "00000.npy")
    images = [array for array in arrays.values() if array.ndim > 2]
    first = images[0][0].astype(np.uint8) * (255 if images[0].dtype == np.bool_ else 1)
    first = first.transpose(1, 2, 0) if first.shape[0] == 3 else first.reshape(9, 9, -1)
    assert (stored[0] == first).all()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npy", np.zeros((2, 4, 4), np.float32), "images are float32; save them as uint8"),
        ("a.npy", np.zeros((2, 4, 4, 5), np.uint8), r"images have the shape \[2, 4, 4, 5\]"),
        ("a.npz", {"weights": np.zeros(3)}, "has no array `images` .* its arrays are weights"),
        ("a.npz", {"images": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros(3, int)}, "for each of 2 images"),
        ("a.npy", b"junk", "not a NumPy file, damaged"),
        ("a.parquet", b"junk", "not a Parquet file, or damaged"),
        ("a.parquet", pa.table({"id": [1]}), "has no column of images .* its columns are id"),
    ],
)
def test_files_without_images_are_an_error(tmp_path: Path, name: str, content: Any, words: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, pa.Table):
        pq.write_table(content, path)
    elif isinstance(content, dict):
        np.savez(path, **content)
    else:
        np.save(path, content)
    with pytest.raises(InputError, match=f"{name}: .*{words}"):
        run_ingestion(path, tmp_path)


def write_samples(path: Path, samples: Mapping[str, bytes | str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in samples.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize(
    ("pattern", "classes"),
    [
        ({"{}.png": None, "{}.cls": "{0}"}, ("0", "1")),
        ({"{}.cls": "{0}", "{}.png": None, "{}.txt": "caption {1}\n"}, ("0", "1")),
        ({"{}.png": None, "{}.json": '{{"label": "c{0}", "caption": "caption {1}"}}'}, ("c0", "c1")),
        ({"{}.png": None, "{}.txt": "caption {1}"}, ()),
    ],
)
def test_a_webdataset_has_labels_and_captions(
    tmp_path: Path, pattern: dict[str, str | None], classes: tuple[str, ...]
) -> None:
    samples = {
        name.format(f"x/000{seed}"): png(seed) if text is None else text.format(seed % 2, seed)
        for seed in range(4)
        for name, text in pattern.items()
    }
    write_samples(tmp_path / "set.tar", samples)
    lines: list[str] = []
    info, rows = run_ingestion(tmp_path / "set.tar", tmp_path, test_fraction=0, report=lines.append)
    assert (info.item.classes, lines) == (classes, [])
    captions = [f"caption {seed}" for seed in range(4)] if len(str(pattern).split("caption")) > 1 else [None] * 4
    assert [row["caption"] for row in rows] == captions
    assert_pictures(tmp_path, rows, [0, 1, 2, 3])


def test_broken_parts_of_samples_are_reported_shortly(tmp_path: Path) -> None:
    samples = {f"{n}.{suffix}": png(n) if suffix == "png" else b"{" for n in range(5) for suffix in ("png", "json")}
    write_samples(tmp_path / "set.tar", samples)
    lines: list[str] = []
    info, _ = run_ingestion(tmp_path / "set.tar", tmp_path, report=lines.append)
    assert info.images == 5
    assert lines[0].startswith("warning: 0.json is not used: not valid JSON")
    assert lines[3] == "warning: 2 more such files are not used"


def test_a_folder_of_tars_is_one_data_set(tmp_path: Path) -> None:
    source = tmp_path / "shards"
    for shard, seeds in (("test-000.tar", [8, 9]), ("train-000.tar", [0, 1, 2]), ("train-001.tar", [3, 4])):
        samples = {
            f"{seed}.{suffix}": content
            for seed in seeds
            for suffix, content in (("png", png(seed)), ("cls", str(seed % 2)))
        }
        write_samples(source / shard, samples)
    info, rows = run_ingestion(source, tmp_path)
    assert (info.item.classes, info.splits) == (("0", "1"), {"train": 5, "test": 2})
    assert_pictures(tmp_path, rows, [8, 9, 0, 1, 2, 3, 4])
    Image.new("RGB", (9, 9)).save(source / "a.png")
    info, rows = run_ingestion(source, tmp_path, test_fraction=0)
    assert info.images == 1, "a folder with pictures is a folder of pictures"
