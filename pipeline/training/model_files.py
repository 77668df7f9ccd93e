"""Save and load a trained model: networks as safetensors, and the configuration to build them.

generator.safetensors holds the EMA networks, which are evaluated and exported. discriminator.safetensors holds the
other networks as they were after the last step.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, ValidationError, model_validator

from pipeline import __version__
from pipeline.errors import InputError
from pipeline.files import write_atomically
from pipeline.gans.base import GAN
from pipeline.gans.registry import ModelSettings, build
from pipeline.items import ItemSpec, upgrade_item
from pipeline.settings import Settings

WEIGHTS, OTHERS, CONFIG = "generator.safetensors", "discriminator.safetensors", "config.json"


class Origin(Settings):
    """Where the parent of a warm start comes from.

    Attributes:
        source: A version of a registered model, a run, or a folder.
        sha256: Digest of its weights.
        run_id: The MLflow run that trained it, if it comes from there.
    """

    source: str
    sha256: str
    run_id: str | None = None

    def __str__(self) -> str:
        return f"{self.source} (sha256 {self.sha256})"


class ModelConfig(Settings):
    """models/config.json: the variant, the items it generates, and the data it was trained on.

    Attributes:
        seed: train.seed, which also selected the labelled images.
        split: Settings of `data:` that decide which items are held out; empty if not recorded.
        parent: The model that the training started from; None for new weights.
    """

    model: ModelSettings
    item: ItemSpec
    dataset_source: str
    dataset_fingerprint: str
    images_seen: int
    seed: int = 0
    split: Mapping[str, Any] = Field(default_factory=dict)
    parent: Origin | None = None
    ganline_version: str = __version__

    @model_validator(mode="before")
    @classmethod
    def accept_old_keys(cls, values: Any) -> Any:
        """Read files written before `item` replaced resolution, channels and class_names."""
        return upgrade_item(values)

    def require_shape(self, item: ItemSpec, path: Path) -> None:
        """Raise InputError unless items of the data have the shape and dtype that the model in `path` was built for."""
        ours, theirs = (f"{one.size} {one.dtype}, {one.symbols} symbols" for one in (self.item, item))
        if ours != theirs:
            raise InputError(
                f"{path}: the model generates items of {self.item.size}, but the data has {item.size}. "
                "Run `dvc repro train`."
            )


def networks_without_ema(gan: GAN) -> list[str]:
    """Return the names of the networks that have weights but no EMA."""
    return [
        name
        for name, network in gan.named_children()
        if name not in gan.ema_networks and next(network.parameters(), None) is not None
    ]


def save(gan: GAN, config: ModelConfig, folder: Path) -> None:
    """Write all networks of `gan`, whose EMA networks must be in place (see `EMA.apply_to`), and config.json.

    discriminator.safetensors is only written if there are networks without EMA.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_networks(gan, gan.ema_networks, folder / WEIGHTS)
    if networks_without_ema(gan):
        write_networks(gan, networks_without_ema(gan), folder / OTHERS)
    else:
        (folder / OTHERS).unlink(missing_ok=True)
    write_atomically(folder / CONFIG, (config.model_dump_json(indent=2) + "\n").encode())


def write_networks(gan: GAN, names: Sequence[str], path: Path) -> None:
    """Write networks as safetensors, atomically."""
    from safetensors.torch import save

    write_atomically(
        path,
        save(
            {
                f"{name}.{key}": value.cpu().contiguous()
                for name in names
                for key, value in gan.get_submodule(name).state_dict().items()
            }
        ),
    )


def load(folder: Path, *, discriminators: bool = False) -> tuple[GAN, ModelConfig]:
    """Load a model on the CPU in eval mode.

    Args:
        folder: Folder of the model.
        discriminators: Load networks without EMA too; if False, they stay untrained.

    Raises:
        InputError: A file is missing or does not fit.
    """
    gan, config = build_untrained(folder)
    read_networks(gan, gan.ema_networks, folder / WEIGHTS)
    if discriminators and networks_without_ema(gan):
        read_networks(gan, networks_without_ema(gan), folder / OTHERS)
    return gan.eval(), config


def build_untrained(folder: Path) -> tuple[GAN, ModelConfig]:
    """Build the variant that config.json describes, with new weights. Raise InputError as `load` does."""
    path = folder / CONFIG
    try:
        config = ModelConfig.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `dvc repro train` first") from None
    except ValidationError as error:
        raise InputError(
            f"{path}: not a model description: {error.errors()[0]['msg']}; run `dvc repro -f train`"
        ) from None
    with torch.random.fork_rng(devices=[]):
        return build(config.model, config.item), config


def read_networks(gan: GAN, names: Sequence[str], path: Path) -> None:
    """Read the weights of networks. Raise InputError if the file is missing or does not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        for name in names:
            own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
            gan.get_submodule(name).load_state_dict(own)
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path}: cannot be read as the weights of config.json ({reason}); run `dvc repro -f train`"
        ) from None
