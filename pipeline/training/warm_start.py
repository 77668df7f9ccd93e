"""Warm start: a training that begins with the networks of a finished model, its parent.

Weights and batch statistics of all networks are copied: the EMA networks from the averages, the others as they were.
What else a training remembers starts new: optimizers, ADA's probability, LeCam's averages and image pools.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import GAN
from pipeline.gans.variants.settings import VariantSettings
from pipeline.items import ItemSpec
from pipeline.training import model_files
from pipeline.training.model_files import ModelConfig, Origin

LABELLED = ("labelled", "partly_labelled", "domains")
"""Views whose batches depend on the order of the classes."""

COLD = "set train.start_from: null to train from new weights"


@dataclass(frozen=True)
class Parent:
    """A finished model that a training starts from.

    Attributes:
        origin: Where it comes from, and the digest of its weights.
        config: Its variant, items and data.
        classes: Names of its classes, if its networks depend on their order; else empty.
        networks: State of each network by name.
    """

    origin: Origin
    config: ModelConfig
    classes: tuple[str, ...]
    networks: Mapping[str, Mapping[str, Tensor]]

    def check(self, model: VariantSettings, item: ItemSpec) -> None:
        """Raise InputError unless a training of this variant on these items can start here."""
        config, name = self.config, f"train.start_from {self.origin.source}"
        if config.model.variant != model.variant:
            raise InputError(
                f"{name}: is a {config.model.variant}, and model.variant is {model.variant}. Choose a parent of the "
                f"same variant, or {COLD}"
            )
        ours, theirs = (f"{one.medium} {one.size} {one.dtype}, {one.symbols} symbols" for one in (item, config.item))
        if ours != theirs:
            raise InputError(
                f"{name}: was trained on items of {theirs}, and the data has {ours}. Choose a parent of the same "
                f"shape, or {COLD}"
            )
        if self.classes and item.classes != self.classes:
            raise InputError(
                f"{name}: its classes are {', '.join(self.classes)}, and those of the data are "
                f"{', '.join(item.classes)}. Labels would change their meaning: set data.classes, or {COLD}"
            )

    def check_split(self, split: Mapping[str, object]) -> None:
        """Raise InputError if the parent was trained with another split of the same data."""
        before = self.config.split
        if before and before != split:
            raise InputError(
                f"train.start_from {self.origin.source}: was trained with another split ({describe(before)}) than this "
                f"one ({describe(split)}), so it has seen items that are held out now. Set these keys of data: as they "
                f"were, or {COLD}"
            )

    def load_into(self, gan: GAN) -> None:
        """Copy the networks into a freshly built variant. Raise InputError if a shape differs."""
        for name, state in self.networks.items():
            network = gan.get_submodule(name)
            expected = network.state_dict()
            differing = [
                f"{name}.{key} is {shape_of(state, key)} in the parent and {shape_of(expected, key)} here"
                for key in sorted({*state, *expected})
                if shape_of(state, key) != shape_of(expected, key)
            ]
            if differing:
                raise InputError(
                    f"train.start_from {self.origin.source}: {len(differing)} tensors of {name} do not fit: "
                    f"{differing[0]}. Set model: as in the parent's config.json, or {COLD}"
                )
            network.load_state_dict(dict(state))


def read_parent(folder: Path, source: str, run_id: str | None = None) -> Parent:
    """Read the model in a folder, as `model_files.save` wrote it.

    Args:
        folder: The folder.
        source: What messages and the lineage call it.
        run_id: The MLflow run that trained it, if it comes from there.

    Raises:
        InputError: A file is missing or does not fit.
    """
    gan, config = model_files.load(folder, discriminators=True)
    names = [name for name, network in gan.named_children() if next(network.parameters(), None) is not None]
    origin = Origin(source=source, sha256=digest_networks(folder), run_id=run_id)
    classes = config.item.classes if gan.view.name in LABELLED else ()
    return Parent(origin, config, classes, {name: gan.get_submodule(name).state_dict() for name in names})


def digest_networks(folder: Path) -> str:
    """Return the sha256 of the files of a model's weights."""
    digest = hashlib.sha256()
    for name in (model_files.WEIGHTS, model_files.OTHERS):
        path = folder / name
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def shape_of(state: Mapping[str, Tensor], key: str) -> str:
    """Return the shape of a tensor in words."""
    return "x".join(map(str, state[key].shape)) or "a number" if key in state else "missing"


def describe(split: Mapping[str, object]) -> str:
    """Return the settings of a split in words."""
    return ", ".join(f"data.{key} {value}" for key, value in split.items())
