"""Find the parent of a warm start."""

import tempfile
from pathlib import Path

from pipeline.data.store import DatasetInfo
from pipeline.errors import InputError
from pipeline.params import Params
from pipeline.stages.paths import Paths
from pipeline.tracking import run_networks
from pipeline.training.warm_start import COLD, Parent, read_parent

SPLIT = {"seed", "test_fraction", "group", "held_out"}
"""Keys of `data:` that decide which items are held out."""


def split_settings(params: Params) -> dict[str, object]:
    """Return the settings that decide which items are held out."""
    return params.data.model_dump(mode="json", include=SPLIT)


def find_parent(paths: Paths, params: Params, info: DatasetInfo) -> Parent | None:
    """Return the model that `train.start_from` names, and check that the training can start there. None without one.

    Raises:
        InputError: There is no such model, or it does not fit.
    """
    source = params.train.start_from
    if source is None:
        return None
    if run_networks.is_tracked(source):
        with tempfile.TemporaryDirectory() as scratch:
            folder, source, run_id = run_networks.download(paths.root, source, Path(scratch))
            parent = read_parent(folder, source, run_id)
    else:
        parent = read_parent(find_folder(paths, source), source)
    parent.check(params.model, info.item)
    if parent.config.dataset_source == info.source:
        parent.check_split(split_settings(params))
    return parent


def find_folder(paths: Paths, source: str) -> Path:
    """Return the folder of a model that a path names; relative paths start from the project's root.

    Raises:
        InputError: There is no such folder, or the training would replace it.
    """
    path = paths.root / Path(source).expanduser()
    folder = path.parent if path.is_file() else path
    if folder.resolve() == paths.weights.parent.resolve():
        raise InputError(
            f"train.start_from {source}: DVC removes models/ before it trains. Copy the folder, or name the "
            "model by its run (runs:/ID, see models/run.json)"
        )
    if not folder.is_dir():
        raise InputError(
            f"train.start_from {source}: no such folder. Name a folder with generator.safetensors, "
            f"discriminator.safetensors and config.json, or {COLD}"
        )
    return folder
