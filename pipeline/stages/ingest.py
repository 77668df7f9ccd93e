"""Ingest: write the source of params.yaml into data/dataset (shards, manifest, dataset.json)."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from pipeline import params
from pipeline.data.ingestion import ingest
from pipeline.data.store import DatasetInfo
from pipeline.errors import InputError
from pipeline.items import ItemSpec, upgrade_item
from pipeline.media.registry import find_medium
from pipeline.stages.paths import Paths

MANY_FILES = 10_000
"""From here on DVC takes long to hash a folder."""


def run(root: Path) -> None:
    """Read `data` of params.yaml and write data/dataset.

    `GANLINE_SCHEDULER` names a Dask scheduler whose workers decode. It does not change what is written.

    Raises:
        InputError: The source cannot be used, or the workers are lost.
    """
    paths = Paths(root)
    settings = params.load(paths.params).data
    source = (root / settings.source).resolve()
    if source.exists() and not source.is_relative_to((root / settings.watch).resolve()):
        sys.stderr.write(
            f"ingest: DVC watches {settings.watch}, so it will not notice when {settings.source} changes: "
            "set data.watch to the same path\n"
        )
    if (files := count_files(root / settings.watch)) > MANY_FILES:
        sys.stderr.write(
            f"ingest: DVC hashes {files:,} files in {settings.watch}, which takes minutes without output. One archive "
            "is faster: `ganline pack FOLDER` writes it\n"
        )
    if scheduler := os.environ.get("GANLINE_SCHEDULER"):
        sys.stderr.write(f"ingest: decoding on the Dask workers of {scheduler}\n")
    with (
        name_restoration(paths),
        tqdm(desc="ingest", unit=" files", mininterval=0.5, file=sys.stderr, disable=None) as bar,
    ):

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        def report(line: str) -> None:
            bar.write(f"ingest: {line}", file=sys.stderr)

        info = ingest(
            settings,
            root,
            paths.cache,
            paths.dataset,
            scheduler=scheduler,
            progress=progress,
            report=report,
            previous_classes=previous_classes(paths),
        )
    sys.stdout.write(f"ingest: {summarise(info)}\n")


def count_files(folder: Path) -> int:
    """Return the number of files below a folder."""
    return sum(len(names) for _, _, names in os.walk(folder))


@contextmanager
def name_restoration(paths: Paths) -> Iterator[None]:
    """Add to an error how the data set is restored that DVC removed before it ran the stage."""
    try:
        yield
    except InputError as error:
        if paths.dvc_lock.exists() and not paths.dataset.exists():
            raise InputError(f"{error}\n`dvc checkout data/dataset` restores the last data set.") from None
        raise


def previous_classes(paths: Paths) -> tuple[str, ...]:
    """Return the classes of the last dataset in the order of their numbers; empty if there is none.

    DVC deletes data/dataset before it runs the stage. The model that was trained on it is still there.
    """
    for path in (paths.dataset / "dataset.json", paths.model_config):
        try:
            return ItemSpec.model_validate(upgrade_item(json.loads(path.read_bytes()))["item"]).classes
        except (OSError, ValueError, KeyError, TypeError):
            continue  # such a file tells nothing; the next one may
    return ()


def summarise(info: DatasetInfo) -> str:
    """Return what was stored, in one line."""
    noun = find_medium(info.item.medium).noun
    splits = ", ".join(f"{count} {split}" for split, count in info.splits.items())
    classes = f"{len(info.item.classes)} classes" if info.item.classes else "no classes"
    size = f"of their own sizes, in crops of {info.item.size}" if info.own_sizes else info.item.size
    size += "" if info.pairs == "none" else f", pairs A and B ({info.pairs})"
    failed = (
        f"; {info.set_aside} files set aside (data/dataset/manifest.parquet, column error, says why)"
        if info.set_aside
        else ""
    )
    return f"{info.source}: {info.images} {noun}s ({splits}), {classes}, {size}{failed}"
