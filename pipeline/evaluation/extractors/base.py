"""What turns images into features, and how such an extractor is named."""

import hashlib
import struct
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.arrays import Float32Array, Int64Array, UInt8Array
from pipeline.errors import InputError
from pipeline.settings import Settings


class Images(Protocol):
    """A set of images that is read piece by piece: pipeline.data.store.ItemSet is one."""

    def __len__(self) -> int: ...

    def images(self, indices: npt.ArrayLike | None = None, /) -> UInt8Array:
        """uint8 [n, H, W, C] for positions in the set."""
        ...


class Progress(Protocol):
    """Shows the way through a range, as tqdm does."""

    def __call__(self, steps: range, label: str, /) -> Iterable[int]: ...


def quiet(steps: range, label: str) -> Iterable[int]:
    """No progress shown."""
    return steps


class FeatureSpec(Settings):
    """An extractor's name, weights and preprocessing: what its numbers' protocol says."""

    name: str
    sha256: str
    dims: int
    resize: str
    value_range: str
    published: bool = False  # the weights that the literature's FID is measured with

    @property
    def sha8(self) -> str:
        return self.sha256[:8]

    @property
    def measure(self) -> str:
        """`fid` is reserved for the published Inception weights; anything else is a Fréchet distance in features of its own."""
        return "fid" if self.published else f"fd_{self.name}_{self.sha8}"


class Extractor:
    """A network [N, C, H, W] float in 0..255 -> [N, dims], and what it is called."""

    def __init__(self, spec: FeatureSpec, network: nn.Module, device: torch.device) -> None:
        self.spec = spec
        self.network = network.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self.device = device

    def features(self, images: UInt8Array) -> Float32Array:
        """One batch of uint8 [n, H, W, C] -> float32 [n, dims]."""
        with torch.inference_mode(), exact(self.device):
            return self.network(to_tensor(images, self.device)).float().cpu().numpy()  # type: ignore[no-any-return]


def extract(
    extractor: Extractor, images: Images, batch_size: int, progress: Progress = quiet, label: str = "features"
) -> Float32Array:
    """Features of a whole set, float32 [N, dims]; holds one batch of images at a time."""
    out = np.empty((len(images), extractor.spec.dims), dtype=np.float32)
    for start in progress(range(0, len(images), batch_size), label):
        stop = min(start + batch_size, len(images))
        out[start:stop] = extractor.features(images.images(np.arange(start, stop)))
    return out


class Subset:
    """Some items of a set of images, in a given order."""

    def __init__(self, images: Images, indices: Int64Array) -> None:
        self.of, self.indices = images, indices

    def __len__(self) -> int:
        return len(self.indices)

    def images(self, indices: npt.ArrayLike | None = None, /) -> UInt8Array:
        return self.of.images(self.indices if indices is None else self.indices[np.asarray(indices, dtype=np.int64)])


class Held:
    """An array of images uint8 [N, H, W, C] that is in memory already, as a set."""

    def __init__(self, array: UInt8Array) -> None:
        if array.dtype != np.uint8 or array.ndim != 4:
            raise InputError(
                f"images must be uint8 [n, height, width, channels], not {array.dtype} {list(array.shape)}"
            )
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def images(self, indices: npt.ArrayLike | None = None, /) -> UInt8Array:
        return self.array if indices is None else self.array[np.asarray(indices, dtype=np.int64)]


def to_tensor(images: UInt8Array, device: torch.device) -> Tensor:
    """uint8 [n, H, W, C] -> float32 [n, C, H, W] in 0..255, on the device."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float()


def exact(device: torch.device) -> AbstractContextManager[None]:
    """float32 that is float32, and the same twice: no TF32, no kernel chosen by a race."""
    return torch.backends.cudnn.flags(
        enabled=device.type == "cuda", benchmark=False, deterministic=True, allow_tf32=False
    )


def digest(state: Mapping[str, Tensor]) -> str:
    """sha256 over a network's weights: names, shapes and bytes, in the order of their names."""
    total = hashlib.sha256()
    for name in sorted(state):
        array = state[name].detach().cpu().contiguous().numpy()
        total.update(name.encode() + struct.pack(f"<{array.ndim}q", *array.shape) + array.dtype.str.encode())
        total.update(array.tobytes())
    return total.hexdigest()
