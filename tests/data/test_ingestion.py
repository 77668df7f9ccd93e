"""From sources to the store: accepted files, quarantined files with reasons, reproducible bytes."""

import hashlib
import io
import os
import re
import stat
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.data import store_writer
from pipeline.data.ingestion import ingest
from pipeline.data.store import DatasetInfo
from pipeline.errors import InputError
from pipeline.media.image.image import Target, decode
from pipeline.media.image.settings import ImageSettings

LIMITS = {"bytes": 200_000, "pixels": 1_000_000}
Rows = list[dict[str, Any]]


def run(source: Path | str, folder: Path, workers: int = 1, **settings: Any) -> tuple[DatasetInfo, Rows]:
    """Ingest into folder/dataset; warnings are errors. Return the description and the rows of the manifest."""
    values = {"source": str(source), "channels": "rgb", "limits": LIMITS, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        info = ingest(
            ImageSettings.model_validate(values), folder, folder / "cache", folder / "dataset", workers=workers
        )
    return info, pq.read_table(folder / "dataset" / "manifest.parquet").to_pylist()


def errors(rows: Rows) -> dict[str, str]:
    return {row["path"]: row["error"] for row in rows if row["error"]}


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def check(rows: Rows, good: dict[str, bytes], reasons: dict[str, str]) -> None:
    """Assert that the rows are the good files with their facts and the bad ones with their reasons."""
    found = errors(rows)
    assert {row["path"] for row in rows if not row["error"]} == set(good)
    assert set(found) == set(reasons)
    for path, reason in reasons.items():
        assert re.search(reason, found[path]), (path, reason, found[path])
    for row in rows:
        if not row["error"]:
            assert row["sha256"] == hashlib.sha256(good[row["path"]]).hexdigest()
            assert row["bytes"] == len(good[row["path"]])
            assert row["width"] >= 1
            assert 0 <= row["mean"] <= 1
        else:
            assert row["shard"] is row["row"] is row["pixels_sha256"] is None
    assert [row["id"] for row in rows] == list(range(len(rows)))


def zip_of(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_a_folder_with_every_kind_of_file(tmp_path: Path, good_files: dict[str, bytes], bad_files: Any) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    for name, data in (good_files | bad_files.files).items():
        (source / name).write_bytes(data)
    outside = tmp_path / "outside.png"
    outside.write_bytes(good_files["rgb.png"])
    (source / "link_out.png").symlink_to(outside)
    (source / "link_in.png").symlink_to(source / "rgb.png")
    (source / "link_nowhere.png").symlink_to(source / "absent.png")
    (source / "link_circle").symlink_to(source)
    os.mkfifo(source / "pipe.png")
    raw_name = os.fsencode(source) + b"/caf\xe9.png"
    with open(raw_name, "wb") as file:
        file.write(good_files["gray.png"])
    for litter in (".DS_Store", ".gitignore", "Thumbs.db", "._rgb.png"):
        (source / litter).write_bytes(b"junk")
    (source / "__MACOSX").mkdir()
    (source / "__MACOSX" / "x.png").write_bytes(b"junk")

    info, rows = run(source, tmp_path)
    good = good_files | {"link_in.png": good_files["rgb.png"], "caf\\xe9.png": good_files["gray.png"]}
    links = {
        "link_out.png": "outside the folder",
        "link_nowhere.png": "does not exist",
        "link_circle": "not followed",
        "pipe.png": "not a regular file",
    }
    check(rows, good, bad_files.reasons | links)
    assert info.images == len(good)
    assert info.item.classes == ()
    assert info.source == "photos"
    assert str(tmp_path) not in (tmp_path / "dataset" / "dataset.json").read_text()


def test_a_zip_archive_with_every_kind_of_file(tmp_path: Path, good_files: dict[str, bytes], bad_files: Any) -> None:
    path = zip_of(
        tmp_path / "upload.zip", {f"upload/{name}": data for name, data in (good_files | bad_files.files).items()}
    )
    climbing = ["../climbs.png", "upload/../../climbs.png", "/etc/absolute.png", "C:\\drive.png", "..\\windows.png"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns about the duplicate name
        with zipfile.ZipFile(path, "a") as archive:
            for name in [*climbing, "__MACOSX/upload/._rgb.png", "upload/.DS_Store", "upload/Thumbs.db"]:
                archive.writestr(name, good_files["rgb.png"])
            link = zipfile.ZipInfo("upload/link.png")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
            for name in (
                "upload/locked.png",
                "upload/wrong_sum.png",
                "upload/lying_size.png",
                "upload/unknown_method.png",
            ):
                archive.writestr(zipfile.ZipInfo(name), good_files["rgb.png"])
            archive.writestr("upload/twice.png", good_files["rgb.png"])
            archive.writestr("upload/twice.png", good_files["gray.png"])
    data = bytearray(path.read_bytes())
    size = len(good_files["rgb.png"])
    for member, offset, value in (
        (b"upload/locked.png", 8, b"\x01\x00"),
        (b"upload/wrong_sum.png", 16, b"\x01\x02\x03\x04"),
        (b"upload/lying_size.png", 24, (size - 50).to_bytes(4, "little")),
        (b"upload/unknown_method.png", 10, b"\x63\x00"),
    ):
        entry = data.rindex(member) - 46  # the last occurrence: the central directory follows all local headers
        data[entry + offset : entry + offset + len(value)] = value
    path.write_bytes(data)

    info, rows = run(path, tmp_path)
    inside = {f"upload/{name}": content for name, content in good_files.items()}
    reasons = {f"upload/{name}": reason for name, reason in bad_files.reasons.items()}
    reasons |= dict.fromkeys(climbing[:2] + climbing[4:], "points outside") | {
        climbing[2]: "absolute path",
        climbing[3]: "drive letter",
    }
    reasons |= {
        "upload/link.png": "a link",
        "upload/locked.png": "encrypted",
        "upload/wrong_sum.png": "damaged in the archive",
        "upload/lying_size.png": "damaged in the archive",
        "upload/unknown_method.png": "damaged in the archive",
    }
    twice = [row for row in rows if row["path"] == "upload/twice.png"]
    assert [row["sha256"] for row in twice] == [
        hashlib.sha256(good_files[name]).hexdigest() for name in ("rgb.png", "gray.png")
    ]
    assert twice[0]["id"] != twice[1]["id"]
    check(
        [{**row, "id": number} for number, row in enumerate(row for row in rows if row not in twice)], inside, reasons
    )
    assert len(reasons) >= 20
    assert info.images == len(good_files) + 2
    assert info.item.classes == ()


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_tar_archive_with_every_kind_of_file(
    tmp_path: Path, good_files: dict[str, bytes], bad_files: Any, suffix: str
) -> None:
    path = tmp_path / f"upload.{suffix}"
    mode: Any = f"w:{suffix.removeprefix('tar').removeprefix('.')}"
    with tarfile.open(path, mode) as archive:

        def add(name: str, data: bytes = b"", **fields: Any) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in fields.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))

        add("./", type=tarfile.DIRTYPE)
        for name, data in (good_files | bad_files.files).items():
            add(f"./{name}", data)
        add("../climbs.png", good_files["rgb.png"])
        add("/absolute.png", good_files["rgb.png"])
        add("symbolic.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add("hard.png", type=tarfile.LNKTYPE, linkname="rgb.png")
        add("pipe.png", type=tarfile.FIFOTYPE)
        add("device.png", type=tarfile.CHRTYPE)
        add(".DS_Store", b"junk")
        add("d" * 150 + "/" + "n" * 120 + ".png", good_files["gray.png"])
        add("caf\udce9.png", good_files["gray.png"])
    _, rows = run(path, tmp_path)
    reasons = bad_files.reasons | {
        "../climbs.png": "points outside",
        "/absolute.png": "absolute path",
        "symbolic.png": "a link",
        "hard.png": "a link",
        "pipe.png": "not a regular file",
        "device.png": "not a regular file",
    }
    check(
        rows,
        good_files
        | {"d" * 150 + "/" + "n" * 120 + ".png": good_files["gray.png"], "caf\\xe9.png": good_files["gray.png"]},
        reasons,
    )


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
    zip_of(tmp_path / "source.zip", {name: (source / name).read_bytes() for name in names})
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
        run(path, tmp_path / label, workers=workers)
        stores[label] = digests(tmp_path / label / "dataset")
    assert stores["folder"] == stores["again"] == stores["two"] == stores["three"]
    assert {name: value for name, value in stores["zip"].items() if name != "dataset.json"} == {
        name: value for name, value in stores["folder"].items() if name != "dataset.json"
    }
    (tmp_path / "tar").mkdir()
    info, _ = run(tmp_path / "source.tgz", tmp_path / "tar")
    assert info.splits == {"train": 80, "test": 80}
    assert info.item.classes == ("cat", "dog")


def test_the_store_holds_the_decoded_images_and_their_facts(
    tmp_path: Path, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_writer, "SHARD_BYTES", 10 * 8 * 8 * 3)
    monkeypatch.setattr(store_writer, "GROUP_ROWS", 7)
    source = image_folder([f"{name}/{number:03d}.png" for name in ("b", "a", "c") for number in range(9)])
    info, rows = run(source, tmp_path, test_fraction=0.4)
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
    _, rows = run(image_folder(names, seeds=copies), tmp_path, test_fraction=0.25)
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
    _, grown = run(image_folder(more, "more", seeds), tmp_path / "grown", test_fraction=0.25)
    assert {row["path"]: row["split"] for row in grown if row["path"] in split} == split
    (tmp_path / "other").mkdir()
    _, other = run(tmp_path / "source", tmp_path / "other", test_fraction=0.25, seed=1)
    assert {row["path"]: row["split"] for row in other} != split
    (tmp_path / "none").mkdir()
    info, _ = run(tmp_path / "source", tmp_path / "none", test_fraction=0)
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
    info, rows = run(source, tmp_path, workers=workers, limit=5)
    assert info.splits == {"train": 10, "test": 10}
    good = [row["path"] for row in rows if not row["error"]]
    assert [path for path in good if path.startswith("train/a")] == [
        f"train/a/{number:03d}.png" for number in (0, 2, 3, 4, 5)
    ]
    assert list(errors(rows)) == ["train/a/001.png"]


def test_the_limit_with_a_drawn_split(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    source = image_folder([f"{number:03d}.png" for number in range(200)])
    info, rows = run(source, tmp_path, limit=10, test_fraction=0.3)
    assert info.splits == {"train": 10, "test": 10}
    everything = tmp_path / "all"
    everything.mkdir()
    _, every = run(source, everything, test_fraction=0.3)
    for split in ("train", "test"):
        assert [row["path"] for row in rows if row["split"] == split] == [
            row["path"] for row in every if row["split"] == split
        ][:10]


def test_files_outside_of_class_folders_are_reported(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    source = image_folder(["train/a/1.png", "train/b/2.png", "test/a/3.png", "stray.png", "train/stray.png"])
    (source / "notes.txt").write_text("notes")
    info, rows = run(source, tmp_path)
    found = errors(rows)
    assert "outside the folders test, train" in found["stray.png"]
    assert "next to the class folders" in found["train/stray.png"]
    assert "not an image" in found["notes.txt"]
    assert info.images == 3


def test_digits_are_scikit_learn_s(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    info, rows = run("digits", tmp_path, channels="gray")
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
    run(image_folder(["1.png", "2.png"]), tmp_path)
    before = digests(tmp_path / "dataset")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".DS_Store").write_bytes(b"x")
    with pytest.raises(InputError, match=r"empty: is empty; expected images"):
        run(tmp_path / "empty", tmp_path)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    with pytest.raises(InputError, match=r"none of its 1 files can be used.*a\.txt: not an image"):
        run(tmp_path / "texts", tmp_path)
    assert digests(tmp_path / "dataset") == before
    assert not list(tmp_path.glob(".dataset*"))


@pytest.mark.parametrize(
    ("name", "settings", "images", "aside", "classes"),
    [
        ("fashion-mnist.zip", {"limit": 6, "channels": "gray", "resolution": 32}, 120, 0, 10),
        ("cifar10.zip", {"limit": 6, "resolution": 32}, 120, 0, 10),
        ("noto-emoji.zip", {"limit": 60, "resolution": 64}, 120, 0, 0),
        ("noto-emoji.zip", {"limit": 60, "resolution": 64, "pairs": "outline"}, 120, 0, 0),
        ("kodak24.zip", {"resolution": 64, "limits": {}}, 24, 0, 0),
    ],
)
def test_real_data_sets_are_ingested(
    tmp_path: Path, shared_data: Path, name: str, settings: dict[str, Any], images: int, aside: int, classes: int
) -> None:
    info, _ = run(shared_data / name, tmp_path, **settings)
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
    info, rows = run(tmp_path / "source", tmp_path, resolution=16, fit="keep", test_fraction=0)
    assert (info.images, info.set_aside, info.item.height, info.own_sizes) == (3, 1, 16, True)
    assert errors(rows) == {"small.png": "50 x 15 pixels: smaller than the crops used in training (data.resolution 16)"}
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


def opened(folder: Path, split: str = "train", drop: tuple[str, ...] = ()) -> Any:
    """Open a split of folder/dataset with all decoded files accepted, except the paths in `drop`."""
    from pipeline.data.store import open_split

    (folder / "validated").mkdir(exist_ok=True)
    table = pq.read_table(folder / "dataset" / "manifest.parquet")
    kept = [row["error"] is None and row["path"] not in drop for row in table.select(["error", "path"]).to_pylist()]
    pq.write_table(table.filter(kept), folder / "validated" / "index.parquet")
    return open_split(folder / "dataset", folder / "validated", split)


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
    info, rows = run(source, tmp_path, classes=["horse", "deer"])
    assert (info.item.classes, info.images, info.set_aside, info.splits) == (
        ("horse", "deer"),
        16,
        1,
        {"train": 8, "test": 8},
    )
    assert {(row["class"], row["label"]) for row in rows if not row["error"]} == {("horse", 0), ("deer", 1)}
    assert list(errors(rows)) == ["train/deer/bad.png"]
    info, rows = run(source, tmp_path, classes=["horse", "deer"], limit=1)
    assert (info.images, [row["class"] for row in rows]) == (4, ["deer", "horse"] * 2)
    info, rows = run(source, tmp_path, classes=["deer"])
    assert (info.item.classes, info.images, {row["label"] for row in rows}) == ((), 8, {-1})
    before = digests(tmp_path / "dataset")
    with pytest.raises(
        InputError,
        match=r"data.classes: the source has no class 'hrose'; did you mean `horse`\? its classes are cat, deer, horse",
    ):
        run(source, tmp_path, classes=["hrose", "deer"])
    assert digests(tmp_path / "dataset") == before


def test_two_classes_of_cifar_10_are_domains(tmp_path: Path, shared_data: Path) -> None:
    from pipeline.data.domains import split_domains

    info, rows = run(shared_data / "cifar10.zip", tmp_path, resolution=32, classes=["horse", "deer"], limit=20)
    assert (info.item.classes, info.splits, info.set_aside) == (("horse", "deer"), {"train": 40, "test": 40}, 0)
    assert all(f"/{info.item.classes[row['label']]}/" in row["path"] for row in rows)
    horse, deer = split_domains(opened(tmp_path))
    assert (len(horse), len(deer), horse.name, deer.name) == (20, 20, "horse", "deer")


def halved(seed: int, size: int = 16) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, 2 * size, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_halves_are_stored_as_one_wide_item(tmp_path: Path, good_files: dict[str, bytes]) -> None:
    source = tmp_path / "source"
    for number in range(12):
        path = source / ("train" if number < 8 else "val") / f"{number:02d}_AB.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(halved(number))
    (source / "train" / "odd.png").write_bytes(good_files["one_pixel.png"])
    for workers, folder in ((1, tmp_path / "one"), (2, tmp_path / "two")):
        folder.mkdir()
        info, rows = run(source, folder, workers=workers, resolution=16, pairs="halves")
    assert digests(tmp_path / "one" / "dataset") == digests(tmp_path / "two" / "dataset")
    assert (info.pairs, info.item.height, info.images, info.item.classes, info.splits) == (
        "halves",
        16,
        12,
        (),
        {"train": 8, "test": 4},
    )
    assert list(errors(rows)) == ["train/odd.png"]
    assert "1 pixels wide: an odd width" in errors(rows)["train/odd.png"]
    assert (rows[0]["stored_height"], rows[0]["stored_width"], rows[0]["pair"]) == (16, 32, None)
    pairs = opened(tmp_path / "two")
    assert (len(pairs), pairs.images([0]).shape, set(pairs.labels.tolist())) == (8, (1, 16, 32, 3), {-1})
    for number in range(8):
        with io.BytesIO(halved(number)) as file:
            whole = decode(file.read(), Target(16, "rgb", pairs="halves")).pixels
        assert (pairs.images([number])[0] == whole).all()
        for side in (0, 1):
            assert (pairs.read_side(side, [number])[0] == np.split(whole, 2, axis=1)[side]).all()


def test_halves_have_no_classes(tmp_path: Path) -> None:
    for number, name in enumerate(["maps/1.png", "facades/1.png", "facades/2.png", "3.png"]):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(halved(number))
    info, rows = run(tmp_path / "source", tmp_path, pairs="halves", test_fraction=0)
    assert (info.images, info.item.classes, {row["label"] for row in rows}) == (4, (), {-1})
    info, rows = run(tmp_path / "source", tmp_path, pairs="halves", classes=["facades"], test_fraction=0)
    assert [row["path"] for row in rows if not row["error"]] == ["facades/1.png", "facades/2.png"]
    info, _ = run(tmp_path / "source", tmp_path, pairs="outline", test_fraction=0)
    assert (info.pairs, info.images, opened(tmp_path).images([0]).shape) == ("outline", 4, (1, 8, 16, 3))


def two_folders(tmp_path: Path, image_folder: Callable[..., Path]) -> Path:
    """Write twenty pairs in two folders, with suffixes in both cases.

    The seed of an image in A is its number; the one of its partner in B is 100 more.
    """
    seeds = {f"A/{number:02d}{('.png', '.PNG', '.JPG')[number % 3]}": number for number in range(20)}
    seeds |= {f"B/{number:02d}{('.Jpeg', '.png', '.webp')[number % 3]}": 100 + number for number in range(20)}
    return image_folder(list(seeds), seeds=seeds)


def test_pairs_are_joined_by_name_for_every_kind_of_source(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    source = two_folders(tmp_path, image_folder)
    files = {str(path.relative_to(source)): path.read_bytes() for path in sorted(source.rglob("*")) if path.is_file()}
    mixed = dict(sorted(files.items(), key=lambda item: hashlib.sha256(item[0].encode()).digest()))
    zip_of(tmp_path / "mixed.zip", {f"download/{name}": data for name, data in mixed.items()})
    zip_of(tmp_path / "plain.zip", files)
    found = {}
    for label, path, workers in (
        ("folder", source, 1),
        ("two", source, 2),
        ("plain", tmp_path / "plain.zip", 1),
        ("mixed", tmp_path / "mixed.zip", 2),
    ):
        (tmp_path / label).mkdir()
        info, rows = run(path, tmp_path / label, workers=workers, pairs="folders", test_fraction=0.3)
        assert (info.pairs, info.item.classes, info.images) == ("folders", ("A", "B"), 40)
        split = {(row["class"], row["pair"]): row["split"] for row in rows}
        assert all(split["A", name] == split["B", name] for side, name in split if side == "A"), (
            "partners are in the same split"
        )
        found[label] = {name: opened(tmp_path / label, name) for name in ("train", "test")}
        assert sum(map(len, found[label].values())) == 20
        for pairs in found[label].values():
            assert pairs.images([0]).shape == (1, 8, 16, 3)
            for position, name in enumerate(pairs.names):
                stem = Path(name).stem
                partner = next(data for other, data in files.items() if other.startswith(f"B/{stem}"))
                own = next(data for other, data in files.items() if other.startswith(f"A/{stem}"))
                both = [decode(data, Target(8, "rgb")).pixels for data in (own, partner)]
                assert (pairs.images([position])[0] == np.concatenate(both, axis=1)).all()
    assert digests(tmp_path / "folder" / "dataset") == digests(tmp_path / "two" / "dataset")
    assert found["folder"]["train"].fingerprint == found["plain"]["train"].fingerprint
    assert sorted(Path(name).stem for name in found["mixed"]["test"].names) == [
        Path(name).stem for name in found["folder"]["test"].names
    ]
    swapped = tmp_path / "swapped"
    swapped.mkdir()
    info, _ = run(source, swapped, pairs="folders", classes=["B", "A"], test_fraction=0.3)
    assert info.item.classes == ("B", "A")
    assert (opened(swapped).read_side(0) == found["folder"]["train"].read_side(1)).all()


def test_the_fingerprint_depends_on_the_pairing(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    """Both sources have the same images; two images of B have swapped their names."""
    names = ["A/1.png", "A/2.png", "B/1.png", "B/2.png"]
    prints = set()
    for folder, seeds in (("one", [1, 2, 3, 4]), ("other", [1, 2, 4, 3])):
        (tmp_path / folder).mkdir()
        source = image_folder(names, f"source_{folder}", dict(zip(names, seeds, strict=True)))
        info, _ = run(source, tmp_path / folder, pairs="folders", test_fraction=0)
        prints |= {info.fingerprint, opened(tmp_path / folder).fingerprint}
    assert len(prints) == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_the_limit_takes_whole_pairs(tmp_path: Path, image_folder: Callable[..., Path], workers: int) -> None:
    a, b = (
        [f"trainA/{number}.png" for number in (1, 2, 3, 5, 7, 8, 9)],
        [f"trainB/{number}.jpg" for number in (0, 2, 4, 5, 6, 7, 9)],
    )
    source = image_folder([*a, *b, "testA/1.png", "testB/1.png", "testA/2.png", "testB/2.png"])
    for side in "AB":
        (source / f"train{side}" / "0_about.txt").write_text("no picture, but in both folders")
    info, rows = run(source, tmp_path, workers=workers, pairs="folders", limit=2)
    assert info.splits == {"train": 4, "test": 4}
    assert [row["path"] for row in rows if row["split"] == "train"] == [
        "trainA/2.png",
        "trainA/5.png",
        "trainB/2.jpg",
        "trainB/5.jpg",
    ]
    assert len(opened(tmp_path)) == 2
    info, _ = run(source, tmp_path, workers=workers, pairs="folders", limit=100)
    assert info.splits == {"train": 8, "test": 4}


def test_pairs_in_folders_need_two_folders_and_a_common_name(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    source = image_folder(["a/x_a.png", "b/x_b.png", "c/y.png"])
    with pytest.raises(
        InputError,
        match=r"data.pairs folders: expected two folders .* but found 3 \(a, b, c\)\. Name the two in data.classes",
    ):
        run(source, tmp_path, pairs="folders")
    with pytest.raises(InputError, match="but found none"):
        run(image_folder(["1.png", "2.png"], "flat"), tmp_path, pairs="folders")
    with pytest.raises(
        InputError,
        match=r"no file has a partner with its name in the other folder \('a' contains x_a, 'b' contains x_b, ...\)",
    ):
        run(source, tmp_path, pairs="folders", classes=["a", "b"], limit=5, test_fraction=0)


def test_an_item_without_its_partner_in_the_index_is_an_error(
    tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    run(image_folder(["A/1.png", "A/2.png", "B/1.png", "B/2.png"]), tmp_path, pairs="folders", test_fraction=0)
    assert len(opened(tmp_path)) == 2
    with pytest.raises(InputError, match=r"index\.parquet: contains items without a partner"):
        opened(tmp_path, drop=("B/1.png",))
