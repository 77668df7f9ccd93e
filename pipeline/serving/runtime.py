"""The exported generator in ONNX Runtime: numpy in, uint8 pictures out; torch is not needed, nor imported."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError
from pipeline.serving.metadata import Metadata
from pipeline.serving.session import open_session

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]

BATCH = 64


class Generator:
    """An opened generator.onnx.

    Attributes:
        metadata: what the file says about itself.
        provider: the ONNX Runtime provider that really runs it.
    """

    def __init__(self, path: Path) -> None:
        """Raises InputError when the file is missing, is no ONNX model, or was not made by ganline."""
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(f"{path}: no such file; run `dvc repro` to make it, or give another with --model") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        self.session = open_session(content, str(path))
        self.metadata = Metadata.read(self.session.get_modelmeta().custom_metadata_map, str(path))
        self.provider: str = self.session.get_providers()[0]
        self.inputs = [tensor.name for tensor in self.session.get_inputs()]

    def sample(self, n: int, seed: int = 0, **conditions: npt.NDArray[Any]) -> UInt8Array:
        """`n` pictures, uint8 [n, H, W, C]. Picture i depends on (seed, i) and its conditions alone, not on n.

        `conditions` are the graph's further inputs, each with first axis n. Raises InputError for n < 1, a seed outside
        0 .. 2^64-1, or other inputs than the graph has.
        """
        return np.concatenate(list(self.stream(n, seed, **conditions)))

    def stream(self, n: int, seed: int = 0, **conditions: npt.NDArray[Any]) -> Iterator[UInt8Array]:
        """As `sample`, one batch at a time, so that memory does not grow with n."""
        if n < 1:
            raise InputError(f"the number of pictures must be at least 1, not {n}")
        if not 0 <= seed < 2**64:
            raise InputError(f"the seed must lie in 0 .. 2^64-1, not {seed}")
        if {"z", *conditions} != set(self.inputs):
            raise InputError(f"this model takes {', '.join(self.inputs)}, and was given {', '.join(['z', *conditions])}")
        for at in range(0, n, BATCH):
            size = min(BATCH, n - at)
            inputs = {name: values[at : at + size] for name, values in conditions.items()}
            (images,) = self.session.run(["images"], inputs | {"z": latents(seed, at, size, self.metadata.latent)})
            yield to_uint8(images)


def latents(seed: int, first: int, n: int, length: int) -> Float32Array:
    """z ~ N(0, I), float32 [n, length], of the pictures first .. first+n-1 under `seed`.

    Each picture has its own stream of the counter-based Philox generator (Salmon et al. 2011), keyed by (seed, index).
    """
    keys = (np.array([seed, index], dtype=np.uint64) for index in range(first, first + n))
    return np.stack([np.random.Generator(np.random.Philox(key=key)).standard_normal(length, dtype=np.float32) for key in keys])


def to_uint8(images: Float32Array) -> UInt8Array:
    """float [n, C, H, W] in [-1, 1] -> uint8 [n, H, W, C]: floor(127.5 x + 128), clamped, what is not finite as 0: as judged in training."""
    levels = np.nan_to_num(images * np.float32(127.5) + np.float32(128), nan=0.0, posinf=0.0, neginf=0.0)
    pixels: UInt8Array = np.floor(np.clip(levels, 0, 255)).astype(np.uint8).transpose(0, 2, 3, 1)
    return pixels
