"""A failure of a generator, imitated by corrupted real images, and what the gate must do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]
Expectation = Literal["reject", "accept", "free"]


@dataclass(frozen=True)
class Real:
    """Real images with labels.

    Attributes:
        images: Fresh images, [n, H, W, C].
        labels: Their labels, [n].
        train: Training images, for the corruptions that copy them.
        foreign: Images of another kind in the same shape, [k, H, W, C].
    """

    images: UInt8
    labels: Int64
    train: UInt8
    foreign: UInt8

    @property
    def colour(self) -> bool:
        """Whether the images have colours."""
        return bool(self.images.shape[-1] == 3)

    @property
    def side(self) -> int:
        """Height of the images."""
        return int(self.images.shape[1])


Apply = Callable[[Real, float, np.random.Generator], UInt8]
"""(real images, strength, random generator) -> corrupted images."""

Ask = Callable[[Real, float, np.random.Generator], Int64]
"""(real images, strength, random generator) -> labels that the images claim to be conditioned on."""


@dataclass(frozen=True)
class Failure:
    """A failure at several strengths.

    A strength that the gate must neither reject nor accept is free: it shows how the measures increase.

    Attributes:
        key: Name in the tables.
        names: Failure modes that the verdict may name first.
        strengths: Strengths from weak to strong, ascending or descending.
        apply: Corrupts images.
        must: Weakest strength that the gate must reject; None: it must reject none.
        accept: Strongest harmless strength, which the gate must accept; None: there is none.
        ask: Returns the labels asked for, which makes the samples conditional; None for unconditional samples.
        needs_labels: The failure concerns labels: without labels the gate need not reject it.
        must_unlabelled: Replaces `must` for data without labels.
        colour: Whether the failure exists for colour images alone (True), gray images alone (False) or both (None).
        side: Smallest height of images for which the failure is meaningful.
    """

    key: str
    names: tuple[str, ...]
    strengths: tuple[float, ...]
    apply: Apply
    must: float | None = None
    accept: float | None = None
    ask: Ask | None = None
    needs_labels: bool = False
    must_unlabelled: float | None = None
    colour: bool | None = None
    side: int = 0

    def applies(self, real: Real, labelled: bool) -> bool:
        """Return whether the failure is meaningful for these images; `labelled`: the gate sees labels."""
        fits = self.colour in (None, real.colour) and real.side >= self.side
        return fits and (labelled or self.ask is None)

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
