"""Views: what one training batch holds, drawn without end from the accepted images.

Torch and numpy only. A view's state is (epoch, position): the order of an epoch is a function of the seed and the epoch's
number, so a resumed run sees exactly the images an undisturbed one would have seen.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.errors import InputError

RESIDENT = 2 * 2**30


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


class Drawing:
    """Images of some positions of a data set, drawn without end, as float32 [n, C, H, W] in [-1, 1] on `device`, mirrored at random with `flips`.

    They are kept on the device as uint8 when they take at most `resident_bytes`; otherwise each batch is gathered from the
    memory-mapped shards.
    """

    def __init__(self, data: Images, device: torch.device, seed: int, *, flips: bool, picked: npt.NDArray[np.int64] | None = None, resident_bytes: int) -> None:
        self.data, self.device, self.flips = data, device, flips
        self.picked = np.arange(len(data)) if picked is None else picked
        self.shuffle = Shuffle(len(self.picked), seed)
        self.rng = torch.Generator(device).manual_seed(seed)
        height, width, channels = data.images([0]).shape[1:]
        fits = len(self.picked) * height * width * channels <= resident_bytes
        self.resident = torch.from_numpy(data.images(picked)).to(device) if fits else None
        self.labels = torch.from_numpy(np.ascontiguousarray(data.labels[self.picked])).to(device)

    def take(self, n: int) -> tuple[Tensor, Tensor]:
        """The next `n` images, in memory format channels_last, and their labels int64 [n]."""
        positions = self.shuffle.take(n)
        where = torch.from_numpy(positions).to(self.device)
        if self.resident is None:
            images = torch.from_numpy(self.data.images(self.picked[positions])).to(self.device, non_blocking=True)
        else:
            images = self.resident[where]
        # NHWC in memory seen as NCHW is exactly channels_last: no copy.
        images = images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        if self.flips:
            mirrored = torch.rand(n, 1, 1, 1, generator=self.rng, device=self.device) < 0.5
            images = torch.where(mirrored, images.flip(3), images)
        return images, self.labels[where]

    def state(self) -> dict[str, object]:
        return {"shuffle": self.shuffle.state(), "rng": self.rng.get_state()}

    def restore(self, state: Mapping[str, object]) -> None:
        shuffle, rng = state["shuffle"], state["rng"]
        assert isinstance(shuffle, dict)
        assert isinstance(rng, Tensor)
        self.shuffle.restore(shuffle)
        self.rng.set_state(rng)


class Unlabelled:
    """Batches {"image": [B, C, H, W]}."""

    def __init__(self, data: Images, device: torch.device, seed: int, *, flips: bool = False, resident_bytes: int = RESIDENT) -> None:
        self.drawing = Drawing(data, device, seed, flips=flips, resident_bytes=resident_bytes)

    def next(self, n: int) -> dict[str, Tensor]:
        return {"image": self.drawing.take(n)[0]}

    def state(self) -> dict[str, object]:
        return self.drawing.state()

    def restore(self, state: Mapping[str, object]) -> None:
        self.drawing.restore(state)


class Labelled(Unlabelled):
    """Batches {"image": [B, C, H, W], "label": int64 [B]}. Raises InputError unless every image has a class."""

    def __init__(self, data: Images, device: torch.device, seed: int, *, flips: bool = False, resident_bytes: int = RESIDENT) -> None:
        require_classes(data)
        super().__init__(data, device, seed, flips=flips, resident_bytes=resident_bytes)

    def next(self, n: int) -> dict[str, Tensor]:
        images, labels = self.drawing.take(n)
        return {"image": images, "label": labels}


class PartlyLabelled:
    """Batches {"image", "labelled_image", "label"}: any images, and as many of the few whose class may be looked at, `per_class` of each.

    Raises InputError unless every image has a class: which of them count as labelled is chosen here.
    """

    def __init__(self, data: Images, device: torch.device, seed: int, *, per_class: int, flips: bool = False, resident_bytes: int = RESIDENT) -> None:
        require_classes(data)
        self.all = Drawing(data, device, seed, flips=flips, resident_bytes=resident_bytes)
        self.few = Drawing(data, device, seed + 1, flips=flips, picked=labelled_few(data.labels, per_class, seed), resident_bytes=resident_bytes)

    def next(self, n: int) -> dict[str, Tensor]:
        labelled, labels = self.few.take(n)
        return {"image": self.all.take(n)[0], "labelled_image": labelled, "label": labels}

    def state(self) -> dict[str, object]:
        return {"all": self.all.state(), "few": self.few.state()}

    def restore(self, state: Mapping[str, object]) -> None:
        every, few = state["all"], state["few"]
        assert isinstance(every, dict)
        assert isinstance(few, dict)
        self.all.restore(every)
        self.few.restore(few)


def labelled_few(labels: npt.NDArray[np.int64], per_class: int, seed: int) -> npt.NDArray[np.int64]:
    """Positions of `per_class` images of each class (of all where there are fewer), chosen by the seed, in order."""
    rng = np.random.default_rng([seed, per_class])
    members = [rng.permutation(np.flatnonzero(labels == c))[:per_class] for c in np.unique(labels[labels >= 0])]
    return np.sort(np.concatenate(members))


def require_classes(data: Images) -> None:
    """Raises InputError unless every image has a class and there are two of them."""
    without = int((data.labels < 0).sum())
    if without:
        raise InputError(
            f"this model.variant learns from classes, and {without:,} of {len(data):,} images have none; put the images into one folder a class, "
            "or take a variant that needs none, such as dcgan"
        )
    if len(np.unique(data.labels)) < 2:
        raise InputError("this model.variant learns from classes, and the data has only one; take a variant that needs none, such as dcgan")


VIEWS: dict[str, Callable[..., Any]] = {"unlabelled": Unlabelled, "labelled": Labelled, "partly_labelled": PartlyLabelled}
