"""Views: what one training batch holds, drawn without end from the accepted images. A view's state is all that resuming needs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.data.batch_sampling import RESIDENT, Drawing, Images, drawing
from pipeline.data.degradations import Degradation
from pipeline.data.domains import Side, sides
from pipeline.data.store import ImageSet, Pairs
from pipeline.errors import InputError


class Unlabelled:
    """Batches {"image": [B, C, H, W]}."""

    def __init__(
        self, data: Images, device: torch.device, seed: int, *, flips: bool = False, resident_bytes: int = RESIDENT
    ) -> None:
        self.drawing = Drawing(data, device, seed, flips=flips, resident_bytes=resident_bytes)

    def next(self, n: int) -> dict[str, Tensor]:
        return {"image": self.drawing.take(n)}

    def state(self) -> dict[str, object]:
        return self.drawing.state()

    def restore(self, state: Mapping[str, object]) -> None:
        self.drawing.restore(state)


class Labelled(Unlabelled):
    """Batches {"image": [B, C, H, W], "label": int64 [B]}. Raises InputError unless every image has a class."""

    def __init__(
        self, data: Images, device: torch.device, seed: int, *, flips: bool = False, resident_bytes: int = RESIDENT
    ) -> None:
        require_classes(data)
        super().__init__(data, device, seed, flips=flips, resident_bytes=resident_bytes)

    def next(self, n: int) -> dict[str, Tensor]:
        images, labels = self.drawing.labelled(n)
        return {"image": images, "label": labels}


class PartlyLabelled:
    """Batches {"image", "labelled_image", "label"}: any images, and as many of the few whose class may be looked at, `per_class` of each.

    Raises InputError unless every image has a class: which of them count as labelled is chosen here.
    """

    def __init__(
        self,
        data: Images,
        device: torch.device,
        seed: int,
        *,
        per_class: int,
        flips: bool = False,
        resident_bytes: int = RESIDENT,
    ) -> None:
        require_classes(data)
        self.all = Drawing(data, device, seed, flips=flips, resident_bytes=resident_bytes)
        self.few = Drawing(
            data,
            device,
            seed + 1,
            flips=flips,
            picked=labelled_few(data.labels, per_class, seed),
            resident_bytes=resident_bytes,
        )

    def next(self, n: int) -> dict[str, Tensor]:
        labelled, labels = self.few.labelled(n)
        return {"image": self.all.take(n), "labelled_image": labelled, "label": labels}

    def state(self) -> dict[str, object]:
        return {"all": self.all.state(), "few": self.few.state()}

    def restore(self, state: Mapping[str, object]) -> None:
        every, few = state["all"], state["few"]
        assert isinstance(every, dict)
        assert isinstance(few, dict)
        self.all.restore(every)
        self.few.restore(few)


class Degraded:
    """Batches {"input": [B, C, H / scale, W / scale], "target": [B, C, H, W]}: clean images, and what `degradation` makes of them.

    Of images of their own sizes the targets are random crops.
    """

    def __init__(
        self,
        data: Images,
        device: torch.device,
        seed: int,
        *,
        flips: bool = False,
        resident_bytes: int = RESIDENT,
        **degradation: Any,
    ) -> None:
        self.drawing = drawing(data, device, seed, flips=flips, resident_bytes=resident_bytes)
        self.degradation = Degradation(**degradation)
        self.rng = torch.Generator(device).manual_seed(seed + 1)

    def next(self, n: int) -> dict[str, Tensor]:
        clean = self.drawing.take(n)
        return {"input": self.degradation(clean, self.rng), "target": clean}

    def state(self) -> dict[str, object]:
        return {"drawing": self.drawing.state(), "rng": self.rng.get_state()}

    def restore(self, state: Mapping[str, object]) -> None:
        drawn, rng = state["drawing"], state["rng"]
        assert isinstance(drawn, dict)
        assert isinstance(rng, Tensor)
        self.drawing.restore(drawn)
        self.rng.set_state(rng)


class Sides:
    """Batches {"a": [B, C, R, R], "b": [B, C, R, R]}: images of the two sides of the data."""

    def __init__(
        self, a: Side, b: Side, device: torch.device, seeds: tuple[int, int], *, flips: bool, resident_bytes: int
    ) -> None:
        for side in (a, b):
            if not len(side):
                raise InputError(
                    f"there is no image of {side.name!r} in this split; give more images, or hold out another share of them (data.test_fraction)"
                )
        self.a, self.b = (
            Drawing(side, device, seed, flips=flips, resident_bytes=resident_bytes // 2)
            for side, seed in zip((a, b), seeds, strict=True)
        )

    def next(self, n: int) -> dict[str, Tensor]:
        return {"a": self.a.take(n), "b": self.b.take(n)}

    def state(self) -> dict[str, object]:
        return {"a": self.a.state(), "b": self.b.state()}

    def restore(self, state: Mapping[str, object]) -> None:
        for side, drawn in ((self.a, state["a"]), (self.b, state["b"])):
            assert isinstance(drawn, dict)
            side.restore(drawn)


class Paired(Sides):
    """Partners, mirrored together. Raises InputError for data without pairs."""

    def __init__(
        self, data: ImageSet, device: torch.device, seed: int, *, flips: bool = False, resident_bytes: int = RESIDENT
    ) -> None:
        if not isinstance(data, Pairs):
            raise InputError(
                "this model.variant learns from pairs, and the data has none; set data.pairs: halves, folders or outline, and run `dvc repro`"
            )
        # With one seed both draw the same positions in the same order, and mirror the same ones.
        super().__init__(*sides(data), device, (seed, seed), flips=flips, resident_bytes=resident_bytes)


class Domains(Sides):
    """Images of two classes, each drawn by itself. Raises InputError for pairs, or unless there are exactly two classes."""

    def __init__(
        self, data: ImageSet, device: torch.device, seed: int, *, flips: bool = False, resident_bytes: int = RESIDENT
    ) -> None:
        if isinstance(data, Pairs):
            raise InputError(
                "this model.variant learns from two domains, not from pairs; set data.pairs: none, name two data.classes, and run `dvc repro`"
            )
        super().__init__(*sides(data), device, (seed, seed + 1), flips=flips, resident_bytes=resident_bytes)


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
        raise InputError(
            "this model.variant learns from classes, and the data has only one; take a variant that needs none, such as dcgan"
        )
