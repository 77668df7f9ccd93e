"""A failure of a model, imitated by real items that are broken on purpose, and what the gate must do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]
Expectation = Literal["reject", "accept", "free"]


@dataclass(frozen=True)
class Real:
    """Real items with labels.

    Attributes:
        images: Fresh items, [n, H, W, C].
        labels: Their labels, [n].
        train: Training items, for the corruptions that copy them.
        foreign: Items of another kind in the same shape, [k, H, W, C]; may be empty.
    """

    images: UInt8
    labels: Int64
    train: UInt8
    foreign: UInt8

    @property
    def side(self) -> int:
        """Height of the items."""
        return int(self.images.shape[1])


R = TypeVar("R")
"""What a failure breaks: `Real`, or another form of real items."""

Apply: TypeAlias = Callable[[R, float, np.random.Generator], UInt8]
"""(real items, strength, random generator) -> corrupted items."""

Ask: TypeAlias = Callable[[R, float, np.random.Generator], Int64]
"""(real items, strength, random generator) -> labels that the items claim to be conditioned on."""


def always(real: Any) -> bool:
    """Return True: the failure exists for all real items."""
    return True


@dataclass(frozen=True)
class Failure(Generic[R]):
    """A failure at several strengths.

    A strength that the gate must neither reject nor accept is free: it shows how the measures increase.

    Attributes:
        key: Name in the tables.
        names: Failure modes that the verdict may name first.
        strengths: Strengths from weak to strong, ascending or descending.
        apply: Corrupts items.
        must: Weakest strength that the gate must reject; None: it must reject none.
        accept: Strongest harmless strength, which the gate must accept; None: there is none.
        ask: Returns the labels asked for, which makes the samples conditional; None for unconditional samples.
        needs_labels: The failure concerns labels: without labels the gate need not reject it.
        must_unlabelled: Replaces `must` for data without labels.
        exists: Returns whether the failure exists for these real items.
    """

    key: str
    names: tuple[str, ...]
    strengths: tuple[float, ...]
    apply: Apply[R]
    must: float | None = None
    accept: float | None = None
    ask: Ask[R] | None = None
    needs_labels: bool = False
    must_unlabelled: float | None = None
    exists: Callable[[R], bool] = always

    def applies(self, real: R, labelled: bool) -> bool:
        """Return whether the failure is meaningful for these items; `labelled`: the gate sees labels."""
        return self.exists(real) and (labelled or self.ask is None)

    def weakest(self, labelled: bool) -> float | None:
        """Return the weakest strength that the gate must reject; None if there is none."""
        if labelled:
            return self.must
        return None if self.needs_labels else self.must_unlabelled or self.must

    def decisive(self, labelled: bool) -> tuple[float, ...]:
        """Return the weakest strength that the gate must reject, and the strongest that it must accept."""
        return tuple(one for one in self.strengths if one in (self.weakest(labelled), self.accept))

    def expectation(self, strength: float, labelled: bool) -> Expectation:
        """Return what the gate must do about this strength."""
        place, weakest = self.strengths.index(strength), self.weakest(labelled)
        if weakest is not None and place >= self.strengths.index(weakest):
            return "reject"
        if self.accept is not None and place <= self.strengths.index(self.accept):
            return "accept"
        return "free"


def is_colour(real: Real) -> bool:
    """Return whether the images have colours."""
    return bool(real.images.shape[-1] == 3)


def is_gray(real: Real) -> bool:
    """Return whether the images have no colours."""
    return not is_colour(real)


def at_least(side: int) -> Callable[[Real], bool]:
    """Return the condition that the images are at least `side` pixels high."""
    return lambda real: real.side >= side


def replace(images: UInt8, others: UInt8, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a random fraction of images [n, H, W, C] by the images at the same positions of `others`."""
    out = images.copy()
    chosen = rng.choice(len(images), round(share * len(images)), replace=False)
    out[chosen] = others[chosen]
    return out


def draw(images: UInt8, n: int, rng: np.random.Generator) -> UInt8:
    """Draw n images; none twice if there are enough."""
    drawn: UInt8 = images[rng.choice(len(images), n, replace=len(images) < n)]
    return drawn


def clip(values: npt.NDArray[np.floating]) -> UInt8:
    """Round values to pixels."""
    pixels: UInt8 = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels
