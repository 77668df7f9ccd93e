"""Profiles: curves or maps that a medium computes of each item, and how their means over two sets are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.arrays import Float64Array, FloatArray, Items

EXPLAINED = 0.5
"""Part of the difference that is left at most by the change that explains it."""


@dataclass(frozen=True)
class Change:
    """What was done to all samples, as their mean shows it.

    Attributes:
        name: Name of the failure mode.
        words: What was done.
        undo: Undoes it in items [n, H, W, C].
        harmless: Nobody minds: the samples are measured as if it had not been done.
    """

    name: str
    words: str
    undo: Callable[[Items], Items]
    harmless: bool = False


@dataclass(frozen=True)
class Profile:
    """Values of each item whose means over a set show what no single number per item shows.

    Attributes:
        name: Name of the profile.
        values: Maps items [n, H, W, C] to values [n, k].
        compare: Maps the mean values [k] of samples and of real items to a number; 0 or 1 if they are equal.
        by_class: Whether the items of each class are also compared.
        weighted: Whether real items are first weighted to the class shares of the samples.
        change: Returns the change of all samples that explains how the two means differ; None if there is none.
        describe: Says in words how the two means differ; None for no words.
        draw: Returns items [m, H, W, C] that show both means in the report; None shows nothing.
        caption: What those show.
        transformed: Only results of a transformation are compared, which keep much of what their inputs show.
    """

    name: str
    values: Callable[[Items], FloatArray]
    compare: Callable[[Float64Array, Float64Array], float]
    by_class: bool = False
    weighted: bool = True
    change: Callable[[Float64Array, Float64Array], Change | None] | None = None
    describe: Callable[[Float64Array, Float64Array], str] | None = None
    draw: Callable[[Float64Array, Float64Array], Items] | None = None
    caption: str = ""
    transformed: bool = False


def take_first(fake: Float64Array, real: Float64Array) -> float:
    """Return the mean of samples, whose null is that of real items."""
    return float(fake[0])


def best_change(before: float, changes: Iterable[tuple[Change, float]], least: float) -> tuple[float, Change | None]:
    """Return the gain of the change that explains how two means differ, and the change; 0 and None if none does.

    Args:
        before: Distance of the means.
        changes: Changes with the distances that are left if they are undone; not read if the means are near.
        least: Distance below which the means are near.
    """
    if before < least:
        return 0.0, None
    best, change = before, None
    for candidate, after in changes:
        if after < best:
            best, change = after, candidate
    if change is None or best > EXPLAINED * before:
        return 0.0, None
    return before - best, change
