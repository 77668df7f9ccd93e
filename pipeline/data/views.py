"""Views: what one training batch holds, drawn without end from the accepted images.

Torch and numpy only. A view's state is (epoch, position): the order of an epoch is a function of the seed and the epoch's
number, so a resumed run sees exactly the images an undisturbed one would have seen.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class Images(Protocol):
    """What a view needs of a data set; `pipeline.data.store.ImageSet` is one."""

    @property
    def labels(self) -> npt.NDArray[np.int64]: ...

    def __len__(self) -> int: ...

    def images(self, indices: npt.ArrayLike | None = None) -> npt.NDArray[np.uint8]: ...


class Shuffle:
    """An endless sequence of positions 0..n-1, each epoch a new permutation. `state` is all that resuming needs."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed = n, seed
        self.epoch, self.position = 0, 0
        self.order = self.permutation()

    def permutation(self) -> npt.NDArray[np.int64]:
        return np.random.default_rng([self.seed, self.epoch]).permutation(self.n)

    def take(self, count: int) -> npt.NDArray[np.int64]:
        """The next `count` positions; runs over the end of an epoch into the next."""
        parts = []
        while count > 0:
            part = self.order[self.position : self.position + count]
            parts.append(part)
            count -= len(part)
            self.position += len(part)
            if self.position == self.n:
                self.epoch, self.position = self.epoch + 1, 0
                self.order = self.permutation()
        return np.concatenate(parts)

    def state(self) -> dict[str, int]:
        return {"epoch": self.epoch, "position": self.position}

    def restore(self, state: Mapping[str, int]) -> None:
        self.epoch, self.position = state["epoch"], state["position"]
        self.order = self.permutation()


class Unlabelled:
    """Batches {"image": float32 [B, C, H, W] in [-1, 1]} on `device`.

    The whole set is kept on the device as uint8 when it takes at most `resident_bytes`; otherwise each batch is gathered
    from the memory-mapped shards.
    """

    def __init__(self, data: Images, device: torch.device, seed: int, *, flips: bool = False, resident_bytes: int = 2 * 2**30) -> None:
        self.data, self.device, self.flips = data, device, flips
        self.shuffle = Shuffle(len(data), seed)
        self.rng = torch.Generator(device).manual_seed(seed)
        height, width, channels = data.images([0]).shape[1:]
        fits = len(data) * height * width * channels <= resident_bytes
        self.resident = torch.from_numpy(data.images()).to(device) if fits else None

    def next(self, n: int) -> dict[str, Tensor]:
        """The next `n` images, in memory format channels_last."""
        positions = self.shuffle.take(n)
        if self.resident is None:
            images = torch.from_numpy(self.data.images(positions)).to(self.device, non_blocking=True)
        else:
            images = self.resident[torch.from_numpy(positions).to(self.device)]
        # NHWC in memory seen as NCHW is exactly channels_last: no copy.
        images = images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        if self.flips:
            mirrored = torch.rand(n, 1, 1, 1, generator=self.rng, device=self.device) < 0.5
            images = torch.where(mirrored, images.flip(3), images)
        return {"image": images}

    def state(self) -> dict[str, object]:
        return {"shuffle": self.shuffle.state(), "rng": self.rng.get_state()}

    def restore(self, state: Mapping[str, object]) -> None:
        shuffle, rng = state["shuffle"], state["rng"]
        assert isinstance(shuffle, dict)
        assert isinstance(rng, Tensor)
        self.shuffle.restore(shuffle)
        self.rng.set_state(rng)


VIEWS: dict[str, type[Unlabelled]] = {"unlabelled": Unlabelled}
