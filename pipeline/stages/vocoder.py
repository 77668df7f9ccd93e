"""The vocoder that `export.vocoder` names: it makes the sound of a generator of spectrograms, in the same graph."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.gans.base import ExportSpec
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium
from pipeline.training import model_files


@dataclass(frozen=True)
class Vocoder:
    """A trained network from log-mel pictures to waves.

    Attributes:
        network: Pictures [n, 1, mels, frames] in [-1, 1] -> waves [n, 1, samples].
        output: Name of its output.
        fingerprint: Start of the SHA-256 of its weights.
    """

    network: nn.Module
    output: str
    fingerprint: str

    def append_to(self, spec: ExportSpec) -> ExportSpec:
        """Return a graph that also returns the sound of its items."""
        return replace(spec, module=Sounding(spec.module, self.network), outputs=(*spec.outputs, self.output))


class Sounding(nn.Module):
    """A generator of pictures, z [n, latent] and perhaps a condition -> pictures and waves."""

    def __init__(self, generator: nn.Module, vocoder: nn.Module) -> None:
        super().__init__()
        self.generator, self.vocoder = generator, vocoder

    def forward(self, z: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        pictures: Tensor = self.generator(z) if condition is None else self.generator(z, condition)
        return pictures, self.vocoder(pictures)


def load_vocoder(root: Path, folder: str | None, item: ItemSpec) -> Vocoder | None:
    """Load the vocoder of `export.vocoder`, a path relative to the project; None without one.

    Raises:
        InputError: The items are no spectrograms, the folder holds no vocoder, or one of other spectrograms.
    """
    if folder is None:
        return None
    output, sound = find_medium(item.medium).sound(item)
    path = root / folder
    gan, config = model_files.load(path)
    network = gan.vocoder()
    if network is None:
        raise InputError(
            f"export.vocoder {folder}: {config.model.variant} is no vocoder. Name the models/ folder of a hifigan"
        )
    other = [name for name, value in sound.details.items() if config.item.details.get(name) != value]
    if other:
        raise InputError(
            f"export.vocoder {folder}: it takes other spectrograms than this model makes; data.{', data.'.join(other)} "
            "must be the same in both trainings"
        )
    weights = (path / model_files.WEIGHTS).read_bytes()
    return Vocoder(network, output, hashlib.sha256(weights).hexdigest()[:16])
