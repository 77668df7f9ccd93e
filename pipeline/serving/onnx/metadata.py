"""What an exported graph says about itself: the pairs in the ONNX file's metadata."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pipeline.errors import InputError
from pipeline.settings import Settings

PREFIX = "ganline."


class Metadata(Settings):
    """Where a model comes from and how its tensors are read. Nothing of the machine that made it.

    `value_range` is that of the images; `fid` is comparable only with one of the same `protocol`. What takes an image gives one `scale`
    times larger, and takes any height and width that are multiples of `multiple` (0: only `resolution`).
    """

    version: str
    variant: str
    resolution: int
    channels: int
    latent: int
    value_range: tuple[float, float] = (-1.0, 1.0)
    class_names: list[str]
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

    def pairs(self) -> dict[str, str]:
        """As ONNX stores it: strings by key; text as it is, the rest as JSON."""
        return {
            f"{PREFIX}{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in self.model_dump(mode="json").items()
        }

    @classmethod
    def read(cls, pairs: Mapping[str, str], name: str) -> "Metadata":
        """The reverse of `pairs`. Raises InputError naming the file when the pairs are not ganline's."""
        own = {key.removeprefix(PREFIX): value for key, value in pairs.items() if key.startswith(PREFIX)}
        if not own:
            raise InputError(
                f"{name}: an ONNX model, but not one that ganline exported; give the generator.onnx of `dvc repro`"
            )
        try:
            values: dict[str, Any] = {
                key: value if cls.is_text(key) else json.loads(value) for key, value in own.items()
            }
            return cls.model_validate(values)
        except (ValueError, ValidationError) as error:
            raise InputError(
                f"{name}: its metadata is damaged or of another ganline ({str(error).splitlines()[0]}); run `dvc repro -f export`"
            ) from None

    @classmethod
    def is_text(cls, key: str) -> bool:
        return key in cls.model_fields and cls.model_fields[key].annotation is str
