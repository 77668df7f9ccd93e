"""Views: the contents of a training batch, drawn endlessly from the accepted items.

The key "item" of a batch holds network inputs of any medium.
"""

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.arrays import Int64Array
from pipeline.captions import captions_of
from pipeline.data.batch_sampling import RESIDENT_BYTES, BatchSampler, TrainingItems, build_sampler
from pipeline.data.transfer import copy_to
from pipeline.errors import InputError
from pipeline.random_state import restore_generator


class SamplingOptions(TypedDict, total=False):
    """Options of every view: random flips, and the bytes up to which items stay on the device."""

    flips: bool
    resident_bytes: int


class Unlabelled:
    """Batches {"item": [B, C, H, W]}."""

    def __init__(
        self,
        data: TrainingItems,
        device: torch.device,
        seed: int,
        *,
        flips: bool = False,
        resident_bytes: int = RESIDENT_BYTES,
        subset: Int64Array | None = None,
    ) -> None:
        self.sampler = BatchSampler(data, device, seed, flips=flips, subset=subset, resident_bytes=resident_bytes)

    def next(self, n: int) -> dict[str, Tensor]:
        """Return the next batch of `n` items."""
        return {"item": self.sampler.take(n)}

    def state(self) -> dict[str, object]:
        """Return the state that `restore` accepts."""
        return self.sampler.state()

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from a state."""
        self.sampler.restore(state)


class Labelled(Unlabelled):
    """Batches {"item": [B, C, H, W], "label": int64 [B]}.

    Raises:
        InputError: An item has no class, or there is only one class.
    """

    def __init__(
        self, data: TrainingItems, device: torch.device, seed: int, **sampling: Unpack[SamplingOptions]
    ) -> None:
        require_classes(data)
        super().__init__(data, device, seed, **sampling)

    def next(self, n: int) -> dict[str, Tensor]:
        """Return the next batch of `n` items with their labels."""
        items, labels = self.sampler.take_labelled(n)
        return {"item": items, "label": labels}


class Captioned(Unlabelled):
    """Batches {"item": [B, C, H, W], "tokens": int64 [B, L]}: the items that have captions, with their tokens.

    Raises:
        InputError: No item has a caption.
    """

    def __init__(
        self, data: TrainingItems, device: torch.device, seed: int, **sampling: Unpack[SamplingOptions]
    ) -> None:
        positions, tokens = tokens_of(data)
        super().__init__(data, device, seed, subset=positions, **sampling)
        self.tokens = torch.from_numpy(tokens).to(self.sampler.labels.device)

    def next(self, n: int) -> dict[str, Tensor]:
        """Return the next batch of `n` items with their tokens."""
        positions = self.sampler.shuffle.take(n)
        return {"item": self.sampler.at(positions), "tokens": copy_to(self.sampler.device, self.tokens[positions])}


class PartlyLabelled:
    """Batches {"item", "labelled_item", "label"} for semi-supervised training.

    Images are drawn from all items, labelled images from `per_class` items of each class.

    Raises:
        InputError: An item has no class, or there is only one class.
    """

    def __init__(
        self,
        data: TrainingItems,
        device: torch.device,
        seed: int,
        *,
        per_class: int,
        flips: bool = False,
        resident_bytes: int = RESIDENT_BYTES,
    ) -> None:
        require_classes(data)
        self.all = BatchSampler(data, device, seed, flips=flips, resident_bytes=resident_bytes)
        subset = choose_labelled(data.labels, per_class, seed)
        self.few = BatchSampler(data, device, seed + 1, flips=flips, subset=subset, resident_bytes=resident_bytes)

    def next(self, n: int) -> dict[str, Tensor]:
        """Return the next batch: `n` items and `n` labelled items."""
        items, labels = self.few.take_labelled(n)
        return {"item": self.all.take(n), "labelled_item": items, "label": labels}

    def state(self) -> dict[str, object]:
        """Return the state that `restore` accepts."""
        return {"all": self.all.state(), "few": self.few.state()}

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from a state."""
        for name, sampler in (("all", self.all), ("few", self.few)):
            part = state[name]
            assert isinstance(part, dict)
            sampler.restore(part)


class Degraded:
    """Batches {"input": [B, C, H / scale, W / scale], "target": [B, C, H, W]}: degraded and clean items.

    Targets are random crops if the items have different sizes. The medium provides the degradation, which waits for its
    device: open the view on the host.
    """

    def __init__(
        self,
        data: TrainingItems,
        device: torch.device,
        seed: int,
        *,
        flips: bool = False,
        resident_bytes: int = RESIDENT_BYTES,
        **degradation: Any,
    ) -> None:
        self.sampler = build_sampler(data, device, seed, flips=flips, resident_bytes=resident_bytes)
        self.degrade = self.sampler.tensors.degradation(**degradation)
        self.rng = torch.Generator(device).manual_seed(seed + 1)

    def next(self, n: int) -> dict[str, Tensor]:
        """Return the next batch of `n` items."""
        clean = self.sampler.take(n)
        return {"input": self.degrade(clean, self.rng), "target": clean}

    def state(self) -> dict[str, object]:
        """Return the state that `restore` accepts."""
        return {"drawing": self.sampler.state(), "rng": self.rng.get_state()}

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from a state."""
        part, rng = state["drawing"], state["rng"]
        assert isinstance(part, dict)
        assert isinstance(rng, Tensor)
        self.sampler.restore(part)
        restore_generator(self.rng, rng)


def choose_labelled(labels: npt.NDArray[np.int64], per_class: int, seed: int) -> npt.NDArray[np.int64]:
    """Return sorted positions of `per_class` random items of each class, or of all if there are fewer."""
    rng = np.random.default_rng([seed, per_class])
    members = [rng.permutation(np.flatnonzero(labels == c))[:per_class] for c in np.unique(labels[labels >= 0])]
    return np.sort(np.concatenate(members))


def tokens_of(data: TrainingItems) -> tuple[Int64Array, Int64Array]:
    """Return the positions of the items that have captions, int64 [n], and the tokens of these, int64 [n, L].

    Raises:
        InputError: No item has a caption.
    """
    captions = captions_of(data)
    positions = np.flatnonzero([bool(caption) for caption in captions])
    if data.item.vocabulary is None or not len(positions):
        raise InputError(
            "this model needs items with captions, and none has one: give the source a metadata.csv with the columns "
            "file_name and caption"
        )
    return positions, data.item.vocabulary.tokens(captions[position] for position in positions.tolist())


def require_classes(data: TrainingItems) -> None:
    """Raise InputError if an item has no class, or if there is only one class."""
    without = int((data.labels < 0).sum())
    if without:
        raise InputError(
            f"this model.variant needs classes, but {without:,} of {len(data):,} items have none: "
            "put each class into a folder or choose a variant without classes, such as dcgan"
        )
    if len(np.unique(data.labels)) < 2:
        raise InputError(
            "this model.variant needs at least two classes, but the data has one: "
            "choose a variant without classes, such as dcgan"
        )
