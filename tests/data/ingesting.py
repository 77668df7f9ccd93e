"""Ingest into a temporary store, and read its manifest and splits."""

import hashlib
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.data.ingestion import ingest
from pipeline.data.store import DatasetInfo
from pipeline.media.image.settings import ImageSettings

LIMITS = {"bytes": 200_000, "pixels": 1_000_000}
Rows = list[dict[str, Any]]


def run_ingestion(
    source: Path | str,
    folder: Path,
    workers: int = 1,
    report: Callable[[str], None] = lambda line: None,
    **settings: Any,
) -> tuple[DatasetInfo, Rows]:
    """Ingest into folder/dataset; warnings are errors. Return the description and the rows of the manifest."""
    values = {"source": str(source), "channels": "rgb", "limits": LIMITS, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        info = ingest(
            ImageSettings.model_validate(values),
            folder,
            folder / "cache",
            folder / "dataset",
            workers=workers,
            report=report,
        )
    return info, pq.read_table(folder / "dataset" / "manifest.parquet").to_pylist()


def read_errors(rows: Rows) -> dict[str, str]:
    """Return the reasons of quarantine by path."""
    return {row["path"]: row["error"] for row in rows if row["error"]}


def read_digests(folder: Path) -> dict[str, str]:
    """Return the digests of all files in a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assert_manifest(rows: Rows, good: dict[str, bytes], reasons: dict[str, str]) -> None:
    """Assert that the rows are the good files with their facts and the bad ones with their reasons."""
    found = read_errors(rows)
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


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Write files into a zip archive and return its path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def open_accepted(folder: Path, split: str = "train", drop: tuple[str, ...] = ()) -> Any:
    """Open a split of folder/dataset with all decoded files accepted, except the paths in `drop`."""
    from pipeline.data.store import open_split

    (folder / "validated").mkdir(exist_ok=True)
    table = pq.read_table(folder / "dataset" / "manifest.parquet")
    kept = [row["error"] is None and row["path"] not in drop for row in table.select(["error", "path"]).to_pylist()]
    pq.write_table(table.filter(kept), folder / "validated" / "index.parquet")
    return open_split(folder / "dataset", folder / "validated", split)
