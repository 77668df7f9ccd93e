"""Ingesting pairs: halves of images, outlines, and two folders."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from PIL import Image

from pipeline.data.pair_matching import find_partners
from pipeline.errors import InputError
from pipeline.media.image.image import Target, decode
from tests.data.ingesting import open_accepted, read_digests, read_errors, run_ingestion, write_zip


def halved(seed: int, size: int = 16) -> bytes:
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
        info, rows = run_ingestion(source, folder, workers=workers, resolution=16, pairs="halves")
    assert read_digests(tmp_path / "one" / "dataset") == read_digests(tmp_path / "two" / "dataset")
    assert (info.pairs, info.item.height, info.images, info.item.classes, info.splits) == (
        "halves",
        16,
        12,
        (),
        {"train": 8, "test": 4},
    )
    assert list(read_errors(rows)) == ["train/odd.png"]
    assert "1 pixels wide: an odd width" in read_errors(rows)["train/odd.png"]
    assert (rows[0]["stored_height"], rows[0]["stored_width"], rows[0]["pair"]) == (16, 32, None)
    pairs = open_accepted(tmp_path / "two")
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
    info, rows = run_ingestion(tmp_path / "source", tmp_path, pairs="halves", test_fraction=0)
    assert (info.images, info.item.classes, {row["label"] for row in rows}) == (4, (), {-1})
    info, rows = run_ingestion(tmp_path / "source", tmp_path, pairs="halves", classes=["facades"], test_fraction=0)
    assert [row["path"] for row in rows if not row["error"]] == ["facades/1.png", "facades/2.png"]
    info, _ = run_ingestion(tmp_path / "source", tmp_path, pairs="outline", test_fraction=0)
    assert (info.pairs, info.images, open_accepted(tmp_path).images([0]).shape) == ("outline", 4, (1, 8, 16, 3))


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
    write_zip(tmp_path / "mixed.zip", {f"download/{name}": data for name, data in mixed.items()})
    write_zip(tmp_path / "plain.zip", files)
    found = {}
    for label, path, workers in (
        ("folder", source, 1),
        ("two", source, 2),
        ("plain", tmp_path / "plain.zip", 1),
        ("mixed", tmp_path / "mixed.zip", 2),
    ):
        (tmp_path / label).mkdir()
        info, rows = run_ingestion(path, tmp_path / label, workers=workers, pairs="folders", test_fraction=0.3)
        assert (info.pairs, info.item.classes, info.images) == ("folders", ("A", "B"), 40)
        split = {(row["class"], row["pair"]): row["split"] for row in rows}
        assert all(split["A", name] == split["B", name] for side, name in split if side == "A"), (
            "partners are in the same split"
        )
        found[label] = {name: open_accepted(tmp_path / label, name) for name in ("train", "test")}
        assert sum(map(len, found[label].values())) == 20
        for pairs in found[label].values():
            assert pairs.images([0]).shape == (1, 8, 16, 3)
            for position, name in enumerate(pairs.names):
                stem = Path(name).stem
                partner = next(data for other, data in files.items() if other.startswith(f"B/{stem}"))
                own = next(data for other, data in files.items() if other.startswith(f"A/{stem}"))
                both = [decode(data, Target(8, "rgb")).pixels for data in (own, partner)]
                assert (pairs.images([position])[0] == np.concatenate(both, axis=1)).all()
    assert read_digests(tmp_path / "folder" / "dataset") == read_digests(tmp_path / "two" / "dataset")
    assert found["folder"]["train"].fingerprint == found["plain"]["train"].fingerprint
    assert sorted(Path(name).stem for name in found["mixed"]["test"].names) == [
        Path(name).stem for name in found["folder"]["test"].names
    ]
    swapped = tmp_path / "swapped"
    swapped.mkdir()
    info, _ = run_ingestion(source, swapped, pairs="folders", classes=["B", "A"], test_fraction=0.3)
    assert info.item.classes == ("B", "A")
    assert (open_accepted(swapped).read_side(0) == found["folder"]["train"].read_side(1)).all()


def test_partners_are_compared_by_the_size_that_a_viewer_shows(tmp_path: Path) -> None:
    """A phone's photo is stored turned. Its upright copy is a partner, and an image of its stored size is not."""
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8))
    for name, other in (("upright", photo.transpose(Image.Transpose.ROTATE_270)), ("stored", photo)):
        for side in "AB":
            (tmp_path / "source" / side).mkdir(parents=True, exist_ok=True)
        photo.save(tmp_path / "source" / "A" / f"{name}.jpg", exif=exif)
        other.save(tmp_path / "source" / "B" / f"{name}.png")
    run_ingestion(tmp_path / "source", tmp_path, pairs="folders", test_fraction=0)
    manifest = pd.read_parquet(tmp_path / "dataset" / "manifest.parquet")
    unequal = find_partners(manifest, ["A", "B"], ["width", "height"])["unequal"]
    assert unequal[manifest["pair"] == "upright"].isna().all()
    assert unequal[manifest["pair"] == "stored"].notna().all()


def test_the_fingerprint_depends_on_the_pairing(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    """Both sources have the same images; two images of B have swapped their names."""
    names = ["A/1.png", "A/2.png", "B/1.png", "B/2.png"]
    prints = set()
    for folder, seeds in (("one", [1, 2, 3, 4]), ("other", [1, 2, 4, 3])):
        (tmp_path / folder).mkdir()
        source = image_folder(names, f"source_{folder}", dict(zip(names, seeds, strict=True)))
        info, _ = run_ingestion(source, tmp_path / folder, pairs="folders", test_fraction=0)
        prints |= {info.fingerprint, open_accepted(tmp_path / folder).fingerprint}
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
    info, rows = run_ingestion(source, tmp_path, workers=workers, pairs="folders", limit=2)
    assert info.splits == {"train": 4, "test": 4}
    assert [row["path"] for row in rows if row["split"] == "train"] == [
        "trainA/2.png",
        "trainA/5.png",
        "trainB/2.jpg",
        "trainB/5.jpg",
    ]
    assert len(open_accepted(tmp_path)) == 2
    info, _ = run_ingestion(source, tmp_path, workers=workers, pairs="folders", limit=100)
    assert info.splits == {"train": 8, "test": 4}


def test_pairs_in_folders_need_two_folders_and_a_common_name(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    source = image_folder(["a/x_a.png", "b/x_b.png", "c/y.png"])
    with pytest.raises(
        InputError,
        match=r"data.pairs folders: expected two folders .* but found 3 \(a, b, c\)\. Name the two in data.classes",
    ):
        run_ingestion(source, tmp_path, pairs="folders")
    with pytest.raises(InputError, match="but found none"):
        run_ingestion(image_folder(["1.png", "2.png"], "flat"), tmp_path, pairs="folders")
    with pytest.raises(
        InputError,
        match=r"no file has a partner with its name in the other folder \('a' contains x_a, 'b' contains x_b, ...\)",
    ):
        run_ingestion(source, tmp_path, pairs="folders", classes=["a", "b"], limit=5, test_fraction=0)


def test_an_item_without_its_partner_in_the_index_is_an_error(
    tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    run_ingestion(
        image_folder(["A/1.png", "A/2.png", "B/1.png", "B/2.png"]), tmp_path, pairs="folders", test_fraction=0
    )
    assert len(open_accepted(tmp_path)) == 2
    with pytest.raises(InputError, match=r"index\.parquet: contains items without a partner"):
        open_accepted(tmp_path, drop=("B/1.png",))
