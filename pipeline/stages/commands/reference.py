"""`ganline reference`: compute, list and compare named reference statistics. Not a stage of dvc.yaml."""

import re
import sys
from pathlib import Path

from pipeline import params as parameters
from pipeline.data.store import DatasetInfo, open_split
from pipeline.errors import InputError
from pipeline.evaluation.measures.fid import Moments
from pipeline.evaluation.named_reference import SUFFIX, NamedReference
from pipeline.stages.evaluation_data import open_real_data
from pipeline.stages.paths import Paths

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def compute(root: Path, name: str, split: str) -> None:
    """Compute the statistics of a split of the data in the features of params.yaml; write references/NAME.npz.

    Raises:
        InputError: The name is no file name, the split has fewer than 2 items, or weights of the features are missing.
    """
    paths = Paths(root)
    target = file_of(paths, name)
    params = parameters.load(paths.params)
    info = DatasetInfo.read(paths.dataset)
    splits = {name: open_split(paths.dataset, paths.validated, name) for name in ("train", "test")}
    items = splits[split]
    if len(items) < 2:
        raise InputError(f"the {split} split has fewer than 2 items: choose another with --split")
    real = open_real_data(paths, params, info, splits["train"], splits["test"])
    features = real.load_features(real.extractor, items, items.fingerprint, "reference")
    source = f"{info.source}, {info.item.size}"
    reference = NamedReference(real.extractor.spec, source, split, items.fingerprint, Moments.of(features))
    reference.save(target)
    sys.stdout.write(f"{target}: {reference.describe()}\n")
    if len(items) <= reference.features.dims:
        sys.stderr.write(
            f"ganline: note: {len(items):,} items are few for {reference.features.dims:,} features: distances to them "
            "depend much on the number of items\n"
        )


def list_all(root: Path) -> None:
    """Print one line for each file in references/."""
    paths = Paths(root)
    files = sorted(paths.references.glob(f"*{SUFFIX}"))
    for file in files:
        sys.stdout.write(f"{file.stem}: {NamedReference.load(file).describe()}\n")
    if not files:
        sys.stdout.write(f"{paths.references}: no reference statistics; `ganline reference NAME` computes them\n")


def compare(root: Path, name: str, other: str) -> None:
    """Print the Fréchet distance between two named references.

    Raises:
        InputError: One is missing, or they were computed with another encoder or preprocessing.
    """
    paths = Paths(root)
    first, second = (NamedReference.load(file_of(paths, one)) for one in (name, other))
    distance = first.distance(second.moments, second.features, f"those of {second.source}")
    sys.stdout.write(f"{first.features.measure} {distance:.6g} between {name} and {other}\n")


def file_of(paths: Paths, name: str) -> Path:
    """Return the file of a reference. Raise InputError for a name that is no plain file name."""
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r}: a name of reference statistics has letters, digits, dots, dashes and underscores")
    return paths.references / f"{name}{SUFFIX}"
