"""Stages run by hand replace their outputs instead of writing through DVC's links into its cache."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.stages import evaluate, export, ingest, train, validate
from tests.stages.conftest import Line

OUTPUTS = ("data/dataset", "data/validated", "models", "metrics", "reports", "exported")


def files(root: Path) -> Iterator[Path]:
    """Yield the files of all outputs."""
    for name in OUTPUTS:
        yield from (path for path in sorted((root / name).rglob("*")) if path.is_file() and not path.is_symlink())


def test_no_stage_changes_the_targets_of_linked_outputs(new_line: Callable[[], Line], tmp_path: Path) -> None:
    """As with `cache.type: symlink`: every output is a link to a file of the cache."""
    line = new_line()
    cache = tmp_path / "cache"
    cache.mkdir()
    targets: dict[Path, str] = {}
    for number, path in enumerate(list(files(line.root))):
        target = cache / f"{number:03d}"
        path.rename(target)
        path.symlink_to(target)
        targets[target] = hashlib.sha256(target.read_bytes()).hexdigest()
    assert len(targets) > 20
    line.set(samples=200)
    for stage in (ingest, validate, train, evaluate, export):
        stage.run(line.root)
    changed = [path for path, digest in targets.items() if hashlib.sha256(path.read_bytes()).hexdigest() != digest]
    assert not changed, [
        str(path.relative_to(line.root))
        for path in line.root.rglob("*")
        if path.is_symlink() and path.resolve() in changed
    ]
