"""Folders of files that cannot be used: each is set aside by name with its reason, and the run goes on."""

import csv
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]
import pytest

from pipeline.data.ingestion import ingest
from pipeline.data.validation_findings import examine
from pipeline.media.registry import MEDIA
from pipeline.stages import ingest as ingest_stage
from pipeline.stages import validate as validate_stage
from tests.media import bad_files
from tests.media.bad_files import Folder

FOLDERS = [
    bad_files.sounds,
    bad_files.pieces,
    bad_files.clips,
    bad_files.volumes,
    pytest.param(
        bad_files.scans,
        marks=pytest.mark.skipif(
            not (find_spec("nibabel") and find_spec("pydicom")), reason="scans need pip install 'ganline[scans]'"
        ),
    ),
]


def write(folder: Folder, path: Path) -> tuple[set[str], dict[str, str]]:
    """Write all files, and a sparse one above data.limits.bytes. Return the names of good ones, and the reasons."""
    for split in ("train", "test"):
        (path / split).mkdir(parents=True)
    sparse = f"train/sparse{folder.suffix}"
    with (path / sparse).open("wb") as file:
        file.truncate(2**40)
    expected = {sparse: r"undecodable: larger than data\.limits\.bytes"}
    good = {
        f"{'train' if at % 2 else 'test'}/{name}{folder.suffix}": folder.good[name]
        for at, name in enumerate(folder.good)
    }
    for kinds, pattern in ((folder.bad, "undecodable: .*(?:{})"), (folder.empty, "{}")):
        for name, (data, reason) in kinds.items():
            (path / f"train/bad {name}{folder.suffix}").write_bytes(data)
            expected[f"train/bad {name}{folder.suffix}"] = pattern.format(reason)
    for name, data in good.items():
        (path / name).write_bytes(data)
    assert len(expected) >= 15
    return set(good), expected


def compare(found: dict[str, str], expected: dict[str, str]) -> None:
    """Assert that exactly the bad files are set aside, each for its reason."""
    assert set(found) == set(expected)
    for name, reason in expected.items():
        assert re.match(reason, found[name], re.DOTALL), f"{name}: {found[name]}"
        assert "\n" not in found[name]


@pytest.mark.parametrize("make", FOLDERS)
def test_bad_files_are_set_aside_by_name_and_others_are_read(make: Callable[[], Folder], tmp_path: Path) -> None:
    folder = make()
    good, expected = write(folder, tmp_path / "raw")
    settings = folder.settings.model_copy(update={"source": str(tmp_path / "raw")})
    ingest(settings, tmp_path, tmp_path / "cache", tmp_path / "dataset", workers=1)
    rows = pd.read_parquet(tmp_path / "dataset" / "manifest.parquet")
    medium = MEDIA[settings.medium]
    findings = examine(rows, (), medium, medium.Validation())
    rejected = findings.rejected
    compare(
        dict(zip(rejected["path"], rejected["reason"] + ": " + rejected["detail"].fillna(""), strict=True)), expected
    )
    assert set(findings.accepted["path"]) == good


@pytest.mark.slow
@pytest.mark.parametrize("make", FOLDERS)
def test_the_stages_go_on(make: Callable[[], Folder], tmp_path: Path) -> None:
    folder = make()
    _, expected = write(folder, tmp_path / "raw")
    data = folder.settings.model_copy(update={"source": "raw"}).model_dump_json()
    lenient = "{min_images: {limit: 1, severity: critical}, max_error_share: {limit: 1, severity: warning}}"
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    variant = "musegan" if folder.settings.medium == "music" else "vanilla"
    (tmp_path / "params.yaml").write_text(f"data: {data}\nvalidate: {lenient}\nmodel: {{variant: {variant}}}\n")
    ingest_stage.run(tmp_path)
    validate_stage.run(tmp_path)
    with (tmp_path / "data" / "validated" / "quarantine.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    compare({row["path"]: row["reason"] for row in rows}, expected)
