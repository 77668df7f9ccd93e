"""A trained model on disk: the averaged networks as safetensors, and what is needed to build them again."""

from pathlib import Path

import torch
from pydantic import ValidationError

from pipeline import __version__
from pipeline.errors import InputError
from pipeline.gans.base import GAN, ImageSpec
from pipeline.gans.registry import build
from pipeline.gans.settings import ModelSettings
from pipeline.settings import Settings

WEIGHTS, CONFIG = "generator.safetensors", "config.json"


class ModelConfig(Settings):
    """models/config.json: the variant, the images it makes, and what it was trained on."""

    model: ModelSettings
    resolution: int
    channels: int
    class_names: list[str]
    dataset_source: str
    dataset_fingerprint: str
    images_seen: int
    ganline_version: str = __version__

    @property
    def image(self) -> ImageSpec:
        return ImageSpec(self.resolution, self.channels, len(self.class_names))


def save(gan: GAN, config: ModelConfig, folder: Path) -> None:
    """Writes the networks named in `gan.averaged`, on which `gan` must currently be set (see `Average.applied`)."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"{name}.{key}": value.cpu().contiguous() for name in gan.averaged for key, value in gan.get_submodule(name).state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n")


def load(folder: Path) -> tuple[GAN, ModelConfig]:
    """Rebuilds the model on the CPU, in evaluation mode. Networks that are not delivered (discriminators) are left untrained.

    Raises InputError naming the file that is missing or does not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / CONFIG
    try:
        config = ModelConfig.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `dvc repro train` first") from None
    except ValidationError as error:
        raise InputError(f"{path}: not a model description: {error.errors()[0]['msg']}; run `dvc repro -f train`") from None
    with torch.random.fork_rng(devices=[]):
        gan = build(config.model, config.image)
    path = folder / WEIGHTS
    try:
        tensors = load_file(path)
        for name in gan.averaged:
            own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
            gan.get_submodule(name).load_state_dict(own)
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read as the weights of config.json ({reason}); run `dvc repro -f train`") from None
    return gan.eval(), config
