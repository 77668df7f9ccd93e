"""The exported generator in ONNX Runtime: numpy in, uint8 pictures out; torch is not needed, nor imported."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Float32Array, Int64Array, UInt8Array
from pipeline.errors import InputError
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.session import Provider, open_session

Labels = Sequence[str | int] | Int64Array

BATCH = 64
LARGEST_PSI = 1.5
LISTED = 20
"""Class names that an error lists."""


class Graph:
    """An opened exported file, whatever it turns into what.

    Attributes:
        metadata: what the file says about itself.
        provider: the ONNX Runtime provider that really runs it.
        inputs, outputs: the names of its tensors.
    """

    def __init__(
        self,
        path: Path,
        content: bytes | None = None,
        *,
        provider: Provider = "auto",
        strict: bool = False,
        spin: bool = True,
    ) -> None:
        """`content` is what the file holds, where it is known already; the rest is `open_session`'s.

        Raises InputError when the file is missing, is no ONNX model, or was not made by ganline.
        """
        self.path = path
        self.session = open_session(
            read(path) if content is None else content, str(path), provider=provider, strict=strict, spin=spin
        )
        self.metadata = Metadata.read(self.session.get_modelmeta().custom_metadata_map, str(path))
        self.provider: str = self.session.get_providers()[0]
        self.inputs = [tensor.name for tensor in self.session.get_inputs()]
        self.outputs = [tensor.name for tensor in self.session.get_outputs()]

    def unlike(self, wanted: str, way_out: str) -> InputError:
        return InputError(
            f"{self.path}: turns {', '.join(self.inputs)} into {', '.join(self.outputs)}, not {wanted}; {way_out}"
        )


class Generator:
    """An exported graph that draws images from latents.

    Attributes:
        graph, session, metadata, inputs: the opened file, and what it says.
        classes: the names of the labels, in their order; empty where the graph takes none.
    """

    def __init__(self, source: Path | Graph) -> None:
        """Raises InputError when the file cannot be opened (see `Graph`), or draws no images from latents."""
        self.graph = source if isinstance(source, Graph) else Graph(source)
        self.session, self.metadata, self.provider, self.inputs = (
            self.graph.session,
            self.graph.metadata,
            self.graph.provider,
            self.graph.inputs,
        )
        if not {"z"} <= set(self.inputs) <= {"z", "label", "psi"} or "images" not in self.graph.outputs:
            raise self.graph.unlike(
                "latents z into images",
                "use `ganline apply`" if "image" in self.inputs else "give the generator.onnx beside it",
            )
        self.classes = self.metadata.class_names if "label" in self.inputs else []

    def sample(self, n: int, seed: int = 0, label: Labels = (), psi: float | None = None) -> UInt8Array:
        """`n` pictures, uint8 [n, H, W, C]. Picture i depends on (seed, i), its label and psi alone, not on n.

        `label` holds classes, by name or index, that the pictures take in turn, by default all; `psi` is the truncation, by default 1.
        Raises InputError for n < 1, a seed outside 0 .. 2^64-1, and a label or psi that does not exist or that the graph does not take.
        """
        return np.concatenate(list(self.stream(n, seed, label, psi)))

    def stream(self, n: int, seed: int = 0, label: Labels = (), psi: float | None = None) -> Iterator[UInt8Array]:
        """As `sample`, one batch at a time, so that memory does not grow with n."""
        if n < 1:
            raise InputError(f"the number of pictures must be at least 1, not {n}")
        labels, psi = self.labels(label), self.psi(psi)
        for at in range(0, n, BATCH):
            z = self.latents(seed, at, min(BATCH, n - at))
            yield self.draw(z, np.roll(labels, -at), psi)

    def latents(self, seed: int, first: int, n: int) -> Float32Array:
        """z of the pictures first .. first+n-1, float32 [n, latent]. Raises InputError for a seed outside 0 .. 2^64-1."""
        if not 0 <= seed < 2**64:
            raise InputError(f"the seed must lie in 0 .. 2^64-1, not {seed}")
        return latents(seed, first, n, self.metadata.latent)

    def draw(self, z: Float32Array, label: Int64Array, psi: float) -> UInt8Array:
        """The pictures of latents [n, latent], uint8 [n, H, W, C], which take the labels (as `labels` gives them) in turn."""
        inputs: dict[str, npt.NDArray[Any]] = {
            "z": z,
            "label": np.resize(label, len(z)),
            "psi": np.full(len(z), psi, dtype=np.float32),
        }
        batches = (slice(at, at + BATCH) for at in range(0, len(z), BATCH))
        return np.concatenate(
            [
                to_uint8(self.session.run(["images"], {name: inputs[name][batch] for name in self.inputs})[0])
                for batch in batches
            ]
        )

    def labels(self, wanted: Labels = ()) -> Int64Array:
        """Class indices of names or indices; of none, all classes, and nothing where the graph takes no label.

        Raises InputError for a class that does not exist, with the nearest name, or where the graph takes none.
        """
        if not len(wanted):
            return np.arange(len(self.classes), dtype=np.int64)
        if not self.classes:
            raise InputError(
                f"this model ({self.metadata.variant}) takes no label: its generator was never told a class, as cgan's is; leave the label out"
            )
        return np.array([self.index(one) for one in wanted], dtype=np.int64)

    def index(self, wanted: str | int) -> int:
        """A class by its name, or by its index, which may be text where no class has that name."""
        if wanted in self.classes:
            return self.classes.index(str(wanted))
        text = str(wanted)
        if text.isascii() and text.isdigit() and len(text) < 10 and int(text) < len(self.classes):
            return int(text)
        folded = {name.casefold(): name for name in self.classes}
        near = difflib.get_close_matches(text.casefold(), folded, n=1, cutoff=0.5)
        hint = f"did you mean {folded[near[0]]!r}? " if near else ""
        rest = f" and {len(self.classes) - LISTED} more" if len(self.classes) > LISTED else ""
        raise InputError(
            f"there is no class {text!r}; {hint}there are {', '.join(self.classes[:LISTED])}{rest}, or indices 0 .. {len(self.classes) - 1}"
        )

    def psi(self, wanted: float | None = None) -> float:
        """The truncation, checked; None means 1, which truncates nothing."""
        if wanted is None:
            return 1.0
        if "psi" not in self.inputs:
            raise InputError(
                f"this model ({self.metadata.variant}) has no psi: truncation is the stylegan2 variant's; leave it out"
            )
        if not 0 <= wanted <= LARGEST_PSI:
            raise InputError(
                f"psi must lie in 0 .. {LARGEST_PSI}, not {wanted:g}: 0 is the average picture, 1 truncates nothing"
            )
        return wanted


def read(path: Path) -> bytes:
    """An exported file. Raises InputError when it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file; run `dvc repro` to make it, or give another with --model") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def latents(seed: int, first: int, n: int, length: int) -> Float32Array:
    """z ~ N(0, I), float32 [n, length], of the pictures first .. first+n-1 under `seed`.

    Each picture has its own stream of the counter-based Philox generator (Salmon et al. 2011), keyed by (seed, index).
    """
    keys = (np.array([seed, index], dtype=np.uint64) for index in range(first, first + n))
    return np.stack(
        [np.random.Generator(np.random.Philox(key=key)).standard_normal(length, dtype=np.float32) for key in keys]
    )


def to_uint8(images: Float32Array) -> UInt8Array:
    """float [n, C, H, W] in [-1, 1] -> uint8 [n, H, W, C]: floor(127.5 x + 128), clamped, what is not finite as 0: as judged in training."""
    levels = np.nan_to_num(images * np.float32(127.5) + np.float32(128), nan=0.0, posinf=0.0, neginf=0.0)
    pixels: UInt8Array = np.floor(np.clip(levels, 0, 255)).astype(np.uint8).transpose(0, 2, 3, 1)
    return pixels
