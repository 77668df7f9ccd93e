"""`ganline validate` in a process of its own: its files for accepted and for rejected data."""

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.data.ingestion import ingest
from pipeline.data.store import open_split
from pipeline.errors import DataRejected, InputError
from pipeline.media.image.settings import ImageSettings
from pipeline.stages import validate as stage
from pipeline.stages.paths import Paths
from tests.data.ingesting import open_accepted, run_ingestion
from tests.processes import run_ganline


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with 40 valid images and one file for each reason of quarantine."""
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    rng = np.random.default_rng(0)

    def draw(name: str, size: int = 16) -> None:
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (size, size), dtype=np.uint8)).save(path)

    for number in range(15):
        draw(f"train/a/{number:02d}.png")
        draw(f"train/b/{number:02d}.png")
    for number in range(5):
        draw(f"test/a/{number:02d}.png")
        draw(f"test/b/{number:02d}.png")
    raw = tmp_path / "raw"
    (raw / "train/a/copy.png").write_bytes((raw / "train/a/03.png").read_bytes())
    (raw / "test/b/leak.png").write_bytes((raw / "train/b/04.png").read_bytes())
    Image.new("L", (16, 16), 99).save(raw / "train/b/flat.png")
    draw("train/a/small.png", 4)
    (raw / "train/a/text.png").write_text("no picture")
    ingest(ImageSettings(source="raw", resolution=16), tmp_path, tmp_path, tmp_path / "data" / "dataset", workers=1)
    return tmp_path


def validate(project: Path, params: str) -> subprocess.CompletedProcess[str]:
    """Run `ganline validate` with `params` as params.yaml."""
    (project / "params.yaml").write_text(params)
    return run_ganline(project, "validate")


def quarantine(project: Path) -> dict[str, tuple[str, str, str]]:
    with (project / "data/validated/quarantine.csv").open(newline="", encoding="utf-8") as file:
        return {row["path"]: (row["class"], row["split"], row["reason"]) for row in csv.DictReader(file)}


EXPECTED = {
    "train/a/copy.png": ("a", "train", "duplicate: same values as image train/a/03.png"),
    "train/a/small.png": ("a", "train", "too_small: 4 x 4 pixels"),
    "train/a/text.png": ("a", "train", "undecodable: not an image (or its header is damaged)"),
    "train/b/flat.png": ("b", "train", "near_constant: standard deviation 0.0000"),
    "test/b/leak.png": ("b", "test", "leaked: same values as training image train/b/04.png"),
}
LENIENT = """
validate:
  min_images: {limit: 30, severity: critical}
  min_side: {limit: 8, severity: warning}
  max_error_share: {limit: 0.1, severity: critical}
"""
STRICT = "validate: {min_side: {limit: 8, severity: critical}, max_error_share: {limit: 0.01, severity: critical}}"


def test_data_is_accepted_with_lenient_limits_and_rejected_with_strict_ones(project: Path) -> None:
    done = validate(project, LENIENT)
    assert done.returncode == 0, done.stderr
    assert "40 of 45 accepted (30 train, 10 test), 5 set aside, 3 warnings" in done.stdout
    lines = [line for line in done.stderr.splitlines() if line]
    assert [line.split(":")[:3] for line in lines] == [
        ["validate", " warning", f" {key}"] for key in ("max_leakage_share", "max_constant_share", "min_side")
    ]
    metrics = json.loads((project / "metrics/validation.json").read_text())
    assert (metrics["success"], metrics["warnings"], metrics["critical"], metrics["images_accepted"]) == (
        True,
        3,
        0,
        40,
    )
    assert all(isinstance(value, (int, float, bool, list)) for value in metrics.values())
    assert quarantine(project) == EXPECTED
    index = pq.read_table(project / "data/validated/index.parquet")
    assert {
        "id",
        "path",
        "class",
        "label",
        "split",
        "shard",
        "row",
        "stored_height",
        "stored_width",
        "sha256",
        "pixels_sha256",
        "pair",
        "part",
        "caption",
    } == set(index.column_names)
    assert not set(index.column("path").to_pylist()) & set(EXPECTED)
    assert (project / "reports/data_docs/index.html").is_file()
    train = open_split(project / "data/dataset", project / "data/validated", "train", verify=True)
    assert (len(train), tuple(train.classes), sorted(set(train.labels.tolist()))) == (30, ("a", "b"), [0, 1])
    assert (train.images([0])[0, :, :, 0] == np.asarray(Image.open(project / "raw" / train.names[0]))).all()

    done = validate(project, STRICT)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    for words in (
        "max_error_share: 1 of 45 (2.22%) files could not be read as images, over validate.max_error_share.limit 0.01",
        "min_side: 1 of 44 images have a side shorter than validate.min_side.limit 8 pixels",
        "min_images: 30 training images are accepted, fewer than validate.min_images.limit 64",
        "data/validated/quarantine.csv",
        "params.yaml",
    ):
        assert words in done.stderr
    metrics = json.loads((project / "metrics/validation.json").read_text())
    assert (metrics["success"], metrics["critical"]) == (False, 3)
    assert quarantine(project) == EXPECTED
    assert (project / "reports/data_docs/index.html").is_file()
    with pytest.raises(InputError, match="run `dvc repro validate` first"):
        open_split(project / "data/dataset", project / "data/validated", "train")


def test_pairs_in_folders_are_validated(tmp_path: Path) -> None:
    """Files without a partner are quarantined; the others open as pairs."""
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    rng = np.random.default_rng(0)
    for side, suffix in (("photo", ".png"), ("label", ".PNG")):
        for number in range(40):
            path = tmp_path / "raw" / "set" / side / f"{number:02d}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            size = (16, 20) if (side, number) == ("photo", 3) else (16, 16)
            Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(path)
    folder = tmp_path / "raw" / "set"
    (folder / "photo" / "00.png").write_bytes(b"torn")
    (folder / "label" / "01.PNG").rename(folder / "label" / "01_label.PNG")
    settings = ImageSettings(source="raw", resolution=16, pairs="folders", classes=("photo", "label"))
    ingest(settings, tmp_path, tmp_path, tmp_path / "data" / "dataset", workers=1)
    limits = ", ".join(
        f"{key}: {{limit: {limit}, severity: critical}}" for key, limit in (("min_images", 9), ("min_per_class", 9))
    )
    done = validate(tmp_path, f"validate: {{{limits}, max_unpaired_share: {{limit: 0.01, severity: warning}}}}")
    assert done.returncode == 0, done.stderr
    assert (
        "max_unpaired_share: 4 of 79 (5.06%) images have no partner of their name and size in the other folder"
        in done.stderr
    )
    assert "74 of 80 accepted" in done.stdout
    assert {path: reason for path, (_, _, reason) in quarantine(tmp_path).items()} == {
        "set/photo/00.png": "undecodable: not an image (or its header is damaged)",
        "set/label/00.PNG": "unpaired: its partner set/photo/00.png was set aside: undecodable",
        "set/photo/01.png": "unpaired: no readable file of this name in 'label'",
        "set/label/01_label.PNG": "unpaired: no readable file of this name in 'photo'",
        "set/photo/03.png": "unequal: 20 x 16, its partner set/label/03.PNG 16 x 16",
        "set/label/03.PNG": "unequal: 16 x 16, its partner set/photo/03.png 20 x 16",
    }
    opened = [
        open_split(tmp_path / "data/dataset", tmp_path / "data/validated", split, verify=True)
        for split in ("train", "test")
    ]
    assert sum(map(len, opened)) == 37
    for pairs in opened:
        for position, name in enumerate(pairs.names):
            both = [
                Image.open(tmp_path / "raw" / path)
                for path in (name, name.replace("photo", "label").replace(".png", ".PNG"))
            ]
            assert (
                pairs.images([position])[0, :, :, 0] == np.concatenate([np.asarray(image) for image in both], axis=1)
            ).all()


def test_missing_and_damaged_data_exit_with_2(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    done = validate(tmp_path, "")
    assert done.returncode == 2
    assert "dataset.json: no such file; run `dvc repro ingest` first" in done.stderr
    (tmp_path / "params.yaml").write_text("")
    ingest(ImageSettings(), tmp_path, tmp_path, tmp_path / "data" / "dataset", workers=1)
    (tmp_path / "data/dataset/manifest.parquet").write_bytes(b"torn")
    done = validate(tmp_path, "")
    assert done.returncode == 2
    assert "manifest.parquet: cannot be read" in done.stderr


@pytest.mark.parametrize(
    ("task", "settings", "words"),
    [
        ("generate", {"test_fraction": 0}, "the test split has 0 images, but evaluation needs at least 2"),
        ("restore", {"test_fraction": 0}, "the data has no test split to restore. Set data.test_fraction above 0"),
        ("translate", {"test_fraction": 0}, "the test split has 0 images, but evaluation needs at least 2"),
        ("translate", {"classes": ["a", "b", "c"]}, "the test split holds 1 images of the domain c"),
        ("translate", {"classes": ["a", "c"]}, "the test split holds 1 images of the domain c"),
        ("translate", {"classes": ["a", "b"]}, None),
        ("generate", {}, None),
        ("restore", {}, None),
    ],
)
def test_the_test_split_must_suffice_for_the_evaluation_of_the_task(
    tmp_path: Path, task: str, settings: dict[str, Any], words: str | None
) -> None:
    rng = np.random.default_rng(0)
    names = [f"{split}/{name}/{n}.png" for split in ("train", "test") for name in "abc" for n in range(4)]
    names = [name for name in names if not name.startswith("test/c") or name.endswith("0.png")]
    if "test_fraction" in settings:
        names = [name.replace("train/", "") for name in names if name.startswith("train/")]
    for name in names:
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    project = Paths(tmp_path)
    project.dataset.parent.mkdir()
    run_ingestion(tmp_path / "raw", project.dataset.parent, **settings)
    open_accepted(project.dataset.parent)
    problems = stage.test_split_problems(project, task, leaked=0)
    assert len(problems) == (words is not None)
    assert words is None or words in problems[0]


def test_a_test_split_of_copies_is_rejected_before_the_training(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(80):
        for split in ("train", "test"):
            path = tmp_path / "raw" / split / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if split == "train":
                Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
            else:
                path.write_bytes((tmp_path / "raw" / "train" / path.name).read_bytes())
    (tmp_path / "params.yaml").write_text("model: {variant: denoise}\ndata: {resolution: 16, source: raw}\n")
    ingest(ImageSettings(source="raw", resolution=16), tmp_path, tmp_path, tmp_path / "data" / "dataset", workers=1)
    with pytest.raises(DataRejected, match=r"no test split to restore.* \(80 test items were set aside: the training"):
        stage.run(tmp_path)
    metrics = json.loads((tmp_path / "metrics/validation.json").read_text())
    assert (metrics["success"], metrics["critical"], metrics["quarantined_leaked"]) == (False, 1, 80)
    assert not (tmp_path / "data/validated/index.parquet").exists()
