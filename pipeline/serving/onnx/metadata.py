"""Metadata of exported graphs, stored as key-value pairs in the ONNX file."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.settings import Settings

PREFIX = "ganline."


class Metadata(Settings):
    """Origin of an exported model and the meaning of its tensors.

    Attributes:
        item: The items that the model generates, or takes and returns.
        latent: Length of z; 0 without z.
        fid: Comparable only between models of the same `protocol`.
        scale: How many times larger the output of a model that takes an item is.
        multiple: Height and width of its input may be any multiple of this; 0: only the size in `item`.
        past: Frames that a model for prediction takes; 0 for others.
        between: It predicts the frame between those that it takes, and not the next one.
        vocoder: Fingerprint of the network whose output is the result, next to the items; empty without one.
        motion: Values at the end of z that make one frame of a clip; 0 if the number of frames is fixed.
        parent: The model that the training started from; empty for new weights.
        keeps_colours: Its output shows what its input shows, in the same colours: of a gray input it is gray.
    """

    version: str
    variant: str
    item: ItemSpec
    latent: int
    dataset_name: str
    dataset_fingerprint: str
    images_seen: int
    git_commit: str
    mlflow_run: str
    verdict: str
    fid: float | None
    protocol: str
    task: str = "generate"
    scale: int = 1
    multiple: int = 0
    keeps_colours: bool = False
    past: int = 0
    between: bool = False
    vocoder: str = ""
    motion: int = 0
    parent: str = ""

    @property
    def classes(self) -> list[str]:
        """Names of the labels, in their order."""
        return list(self.item.classes)

    def resized(self, height: int, width: int) -> "Metadata":
        """Return the same metadata for items of another height and width."""
        return self.model_copy(update={"item": self.item.model_copy(update={"height": height, "width": width})})

    def lengthened(self, frames: int) -> "Metadata":
        """Return the same metadata for clips of another number of frames, whose z is longer or shorter."""
        item, more = self.item, frames - self.item.frames
        details = {**item.details, "frames": frames}
        item = item.model_copy(update={"channels": item.channels // item.frames * frames, "details": details})
        return self.model_copy(update={"item": item, "latent": self.latent + more * self.motion})

    def pairs(self) -> dict[str, str]:
        """Return the pairs that ONNX stores: text as it is, everything else as JSON."""
        return {
            f"{PREFIX}{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in self.model_dump(mode="json").items()
            if key != "parent" or value  # files of models without a parent stay the same
        }

    @classmethod
    def read(cls, pairs: Mapping[str, str], name: str) -> "Metadata":
        """Parse the pairs of an ONNX file, including files written before `item` existed.

        Raises InputError naming the file if the pairs are missing or damaged.
        """
        own = {key.removeprefix(PREFIX): value for key, value in pairs.items() if key.startswith(PREFIX)}
        if not own:
            raise InputError(
                f"{name}: not an ONNX model exported by ganline. Use the generator.onnx that `dvc repro` writes."
            )
        try:
            values = {key: value if cls.is_text(key) else json.loads(value) for key, value in own.items()}
            return cls.model_validate(with_item(values))
        except (ValueError, ValidationError) as error:
            raise InputError(
                f"{name}: its metadata is damaged or from an incompatible version of ganline "
                f"({str(error).splitlines()[0]}). Run `dvc repro -f export`."
            ) from None

    @classmethod
    def is_text(cls, key: str) -> bool:
        """Return whether the field is stored as plain text."""
        return key in cls.model_fields and cls.model_fields[key].annotation is str


FLAT = {"height": "resolution", "width": "resolution", "channels": "channels", "classes": "class_names"}
"""Fields of `item`, and the keys that described square images until version 0.1."""


def with_item(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with the keys of version 0.1 replaced by an `item`."""
    if "item" in values:
        return dict(values)
    rest = {key: value for key, value in values.items() if key not in {*FLAT.values(), "value_range"}}
    return {**rest, "item": {field: values[key] for field, key in FLAT.items() if key in values}}
