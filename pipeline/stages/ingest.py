"""Stage 1: the source of params.yaml into data/dataset (shards, manifest, dataset.json)."""

import sys
from pathlib import Path

from tqdm import tqdm

from pipeline import params
from pipeline.data.ingestion import ingest
from pipeline.media.image.settings import ImageSettings
from pipeline.stages.paths import Paths


def run(root: Path) -> None:
    """Reads `data` of params.yaml, writes data/dataset. Raises InputError when the source cannot be used."""
    paths = Paths(root)
    settings = params.load(paths.params).data
    assert isinstance(settings, ImageSettings)
    source = (root / settings.source).resolve()
    if source.exists() and not source.is_relative_to((root / settings.watch).resolve()):
        sys.stderr.write(
            f"ingest: DVC watches {settings.watch}, so it will not notice when {settings.source} changes: set data.watch to the same path\n"
        )
    with tqdm(desc="ingest", unit=" files", mininterval=0.5, file=sys.stderr, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        info = ingest(settings, root, paths.cache, paths.dataset, progress=progress)
    splits = ", ".join(f"{count} {split}" for split, count in info.splits.items())
    classes = f"{len(info.item.classes)} classes" if info.item.classes else "no classes"
    size = f"of their own sizes, in crops of {info.item.size}" if info.own_sizes else info.item.size
    size += "" if info.pairs == "none" else f", pairs A and B ({info.pairs})"
    aside = (
        f"; {info.set_aside} files set aside (data/dataset/manifest.parquet, column error, says why)"
        if info.set_aside
        else ""
    )
    sys.stdout.write(f"ingest: {info.source}: {info.images} images ({splits}), {classes}, {size}{aside}\n")
