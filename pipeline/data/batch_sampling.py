"""How images are drawn without end: the order of epochs, random crops, mirroring.

Torch and numpy only. The order of an epoch is a function of the seed and the epoch's number, so a resumed run sees exactly the
images an undisturbed one would have seen.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

RESIDENT = 2 * 2**30


class Images(Protocol):
    """What a view needs of a data set; `pipeline.data.store.ImageSet` is one."""

    @property
    def labels(self) -> npt.NDArray[np.int64]: ...

    def __len__(self) -> int: ...

    def images(self, indices: npt.ArrayLike | None = None) -> npt.NDArray[np.uint8]: ...


@runtime_checkable
class Pictures(Images, Protocol):
    """Images of their own sizes; `pipeline.data.store.Photographs` is one. `resolution` is the side of a crop."""

    @property
    def resolution(self) -> int: ...

    def picture(self, position: int, /) -> npt.NDArray[np.uint8]:
        """One whole image, uint8 [H, W, C]."""
        ...


class Shuffle:
    """An endless sequence of positions 0..n-1 on a device, each epoch a new permutation. `state` is all that resuming needs."""

    def __init__(self, n: int, seed: int, device: torch.device) -> None:
        self.n, self.seed, self.device = n, seed, device
        self.epoch, self.position = 0, 0
        self.order = self.permutation()

    def permutation(self) -> Tensor:
        return torch.from_numpy(np.random.default_rng([self.seed, self.epoch]).permutation(self.n)).to(self.device)

    def take(self, count: int) -> Tensor:
        """The next `count` positions, int64; runs over the end of an epoch into the next."""
        parts = []
        while count > 0:
            part = self.order[self.position : self.position + count]
            parts.append(part)
            count -= len(part)
            self.position += len(part)
            if self.position == self.n:
                self.epoch, self.position = self.epoch + 1, 0
                self.order = self.permutation()
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def state(self) -> dict[str, int]:
        return {"epoch": self.epoch, "position": self.position}

    def restore(self, state: Mapping[str, int]) -> None:
        self.epoch, self.position = state["epoch"], state["position"]
        self.order = self.permutation()


class Drawing:
    """Images of some positions of a data set, drawn without end, as float32 [n, C, H, W] in [-1, 1] on `device`, mirrored at random with `flips`.

    They are kept on the device as uint8 when they take at most `resident_bytes`; otherwise each batch is gathered from the
    memory-mapped shards.
    """

    def __init__(
        self,
        data: Images,
        device: torch.device,
        seed: int,
        *,
        flips: bool,
        picked: npt.NDArray[np.int64] | None = None,
        resident_bytes: int,
    ) -> None:
        self.data, self.device, self.flips = data, device, flips
        self.picked = np.arange(len(data)) if picked is None else picked
        self.rng = torch.Generator(device).manual_seed(seed)
        height, width, channels = data.images([0]).shape[1:]
        fits = len(self.picked) * height * width * channels <= resident_bytes
        self.resident = torch.from_numpy(data.images(picked)).to(device) if fits else None
        near = (
            device if fits else torch.device("cpu")
        )  # where positions are needed: beside the images, so that no batch waits for a copy
        self.shuffle = Shuffle(len(self.picked), seed, near)
        self.labels = torch.from_numpy(np.ascontiguousarray(data.labels[self.picked])).to(near)

    def take(self, n: int) -> Tensor:
        """The next `n` images, in memory format channels_last."""
        return self.at(self.shuffle.take(n))

    def labelled(self, n: int) -> tuple[Tensor, Tensor]:
        """The next `n` images and their labels, int64 [n]."""
        positions = self.shuffle.take(n)
        return self.at(positions), self.labels[positions].to(self.device)

    def at(self, positions: Tensor) -> Tensor:
        """The images of these positions among the picked ones, mirrored at random."""
        if self.resident is None:
            images = signed(
                torch.from_numpy(self.read(self.picked[positions.numpy()])).to(self.device, non_blocking=True)
            )
        else:
            images = signed(self.resident.index_select(0, positions))
        if self.flips:
            mirrored = torch.rand(len(positions), 1, 1, 1, generator=self.rng, device=self.device) < 0.5
            images = torch.where(mirrored, images.flip(3), images)
        return images

    def read(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        return self.data.images(positions)

    def state(self) -> dict[str, object]:
        return {"shuffle": self.shuffle.state(), "rng": self.rng.get_state()}

    def restore(self, state: Mapping[str, object]) -> None:
        shuffle, rng = state["shuffle"], state["rng"]
        assert isinstance(shuffle, dict)
        assert isinstance(rng, Tensor)
        self.shuffle.restore(shuffle)
        self.rng.set_state(rng)


class Crops(Drawing):
    """Squares from anywhere in images of their own sizes, a new place each time an image has its turn."""

    data: Pictures

    def __init__(self, data: Pictures, device: torch.device, seed: int, *, flips: bool) -> None:
        super().__init__(data, device, seed, flips=flips, resident_bytes=0)
        self.places = torch.Generator().manual_seed(seed)

    def read(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        side = self.data.resolution
        crops = []
        for position in positions.tolist():
            whole = self.data.picture(position)
            top, left = (int(torch.randint(room - side + 1, (), generator=self.places)) for room in whole.shape[:2])
            crops.append(whole[top : top + side, left : left + side])
        return np.stack(crops)

    def state(self) -> dict[str, object]:
        return {**super().state(), "places": self.places.get_state()}

    def restore(self, state: Mapping[str, object]) -> None:
        super().restore(state)
        places = state["places"]
        assert isinstance(places, Tensor)
        self.places.set_state(places)


def drawing(data: Images, device: torch.device, seed: int, *, flips: bool, resident_bytes: int) -> Drawing:
    """Images as they are, or, of images of their own sizes, random crops."""
    if isinstance(data, Pictures):
        return Crops(data, device, seed, flips=flips)
    return Drawing(data, device, seed, flips=flips, resident_bytes=resident_bytes)


def signed(images: Tensor) -> Tensor:
    """uint8 [n, H, W, C] -> float32 [n, C, H, W] in [-1, 1], in memory format channels_last."""
    # NHWC in memory seen as NCHW is exactly channels_last: no copy.
    return (images.permute(0, 3, 1, 2) / 127.5).sub_(1)
