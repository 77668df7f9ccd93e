"""A latent as a file: what `ganline project` writes and `ganline sample --latent` reads."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np

from pipeline.arrays import Float32Array
from pipeline.errors import InputError
from pipeline.files import write_atomically
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.directions import identity

LARGEST_FILE = 64 * 2**20
"""Bytes of a file with a latent; that of a large model has less than one megabyte."""


@dataclass(frozen=True)
class SavedLatent:
    """A latent of one item.

    Attributes:
        values: z [latent], or the styles [layers, width].
        space: "z" or "w".
        label: Class index that z goes with; -1 if the model takes no label, and for styles, which contain it.
        model: Identity of the model, as in directions.json.
    """

    values: Float32Array
    space: Literal["z", "w"]
    label: int
    model: str

    def save(self, path: Path) -> None:
        """Write a NumPy archive (.npz)."""
        content = io.BytesIO()
        np.savez(content, latent=self.values, space=self.space, label=np.int64(self.label), model=self.model)
        write_atomically(path, content.getvalue())


def read_latent(path: Path, metadata: Metadata) -> SavedLatent:
    """Read a latent of a model. Raises InputError if the file cannot be read or belongs to another model."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError("it is too large")
        with np.load(path, allow_pickle=False) as stored:
            space, model = str(stored["space"]), str(stored["model"])
            found = SavedLatent(
                np.asarray(stored["latent"], dtype=np.float32),
                cast(Literal["z", "w"], space),
                int(stored["label"]),
                model,
            )
        if space not in ("z", "w") or found.values.ndim != (1 if space == "z" else 2):
            raise ValueError("it holds no latent")
        if not np.isfinite(found.values).all():
            raise ValueError("it holds values that are not finite")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Write it with `ganline project IMAGE -o {path.name}`.") from None
    except Exception as error:  # noqa: BLE001 - NumPy raises many kinds for damaged archives
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: is no latent that `ganline project` wrote ({reason}).") from None
    if found.model != identity(metadata):
        raise InputError(f"{path}: belongs to another model. Project the image again with this one.")
    return found
