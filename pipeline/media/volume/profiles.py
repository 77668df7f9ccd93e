"""Profiles of volumes: shares of a set that have a fault, and the mean volume, which shows how all were changed."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Items
from pipeline.items import ItemSpec
from pipeline.media.profiles import EXPLAINED, Change, Profile, best_change, take_first
from pipeline.media.volume import statistics

PLACEMENT = "placement"
LEAST = 4.0
"""Gray levels: nearer mean volumes are not compared further."""
REACH = 6
"""Shifts are searched up to this part of a side."""
SOLID, BUILT_IN = "solid", "solids"
"""What gray volumes lack, and what all but the built-in solids lack; see `Measure.needs`."""
NAMES = ("x", "y", "z")


def lacks(spec: ItemSpec) -> frozenset[str]:
    """Return "solid" for gray volumes, and "solids" for all but the built-in ones."""
    found = set() if spec.details.get(BUILT_IN) else {BUILT_IN}
    return frozenset(found | (set() if spec.binary else {SOLID}))


def profiles(spec: ItemSpec) -> Sequence[Profile]:
    """Return the profiles of volumes of a spec."""
    found = [placement(spec)]
    if SOLID not in lacks(spec):
        found += [
            Profile("pieces", statistics.piece_counts, median),
            Profile("floating", statistics.is_floating, take_first),
            Profile("dust", statistics.count_dust, take_first),
            Profile("cavities", statistics.count_cavities, take_first),
            Profile("blank", statistics.is_blank, take_first, weighted=False),
        ]
    if BUILT_IN not in lacks(spec):
        found.append(Profile("as_built", are_built_in, take_first))
    return found


def are_built_in(items: Items) -> FloatArray:
    """Return whether each volume is one of the built-in solids, [n, 1]."""
    from pipeline.media.volume.solids import recognise

    return np.array([bool(name) for name in recognise(np.asarray(items))], dtype=np.float32)[:, None]


def median(fake: Float64Array, real: Float64Array) -> float:
    """Return the median of a number whose shares are given."""
    return float(np.searchsorted(np.cumsum(fake), 0.5 * fake.sum()))


# --- what was done to all samples ---


def placement(spec: ItemSpec) -> Profile:
    """Return the profile whose mean is the mean volume."""
    compare, change = functools.partial(compare_placement, spec=spec), functools.partial(find_change, spec=spec)
    return Profile(PLACEMENT, flatten, compare, weighted=False, change=change)


def flatten(items: Items) -> FloatArray:
    """Return the voxels of each volume, [n, H * W * D]."""
    return np.asarray(items, dtype=np.float32).reshape(len(items), -1)


def compare_placement(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> float:
    """Return how much nearer the mean volume comes to the real one by the best change; mostly 0."""
    return search(fake, real, spec)[0]


def find_change(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> Change | None:
    """Return the best change; None if there is none that explains the difference."""
    return search(fake, real, spec)[1]


def search(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> tuple[float, Change | None]:
    """Return the gain of the best change in gray levels, and the change."""
    ours, theirs = fake.reshape(spec.shape), real.reshape(spec.shape)
    before = distance(ours, theirs)
    best: tuple[float, Change | None] = 0.0, None
    for changes in (mirrored(ours, theirs, spec), shifted(ours, theirs), turned(ours, theirs)):
        gain, change = best_change(before, changes, LEAST)
        # Solids look alike from many sides: another change must leave half of what a simpler one leaves.
        if change is not None and (best[1] is None or before - gain < EXPLAINED * (before - best[0])):
            best = gain, change
    return best


def distance(first: FloatArray, second: FloatArray) -> float:
    """Return the root mean squared difference of two volumes, in gray levels."""
    return float(np.sqrt(np.mean((first - second) ** 2)))


def mirrored(ours: FloatArray, theirs: FloatArray, spec: ItemSpec) -> Iterator[tuple[Change, float]]:
    """Yield volumes that are mirrored along one axis, with their distances."""
    up = NAMES.index(str(spec.details.get("up", "z")))
    for axis, name in enumerate(NAMES):
        undo = functools.partial(np.flip, axis=axis)
        words = f"mirrored along {name}" + ", which points up" * (axis == up)
        yield Change("upside down" if axis == up else "mirrored", words, each(undo)), distance(undo(ours), theirs)


def turned(ours: FloatArray, theirs: FloatArray) -> Iterator[tuple[Change, float]]:
    """Yield volumes in all other orientations, with their distances."""
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            undo = functools.partial(turn, order=order, signs=signs)
            axes = ", ".join(f"{'-' * (sign < 0)}{NAMES[axis]}" for axis, sign in zip(order, signs, strict=True))
            words = f"turned: their axes {axes} are x, y, z"
            yield Change("turned", words, each(undo)), distance(undo(ours), theirs)


def turn(volume: FloatArray, order: tuple[int, ...], signs: tuple[int, ...]) -> FloatArray:
    """Return a volume with its axes in another order, and mirrored along those whose sign is negative."""
    return volume.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]


def shifted(ours: FloatArray, theirs: FloatArray) -> Iterator[tuple[Change, float]]:
    """Yield shifts along one axis, with their distances where the volumes overlap."""
    for axis, side in enumerate(ours.shape):
        for by in range(-(side // REACH), side // REACH + 1):
            if not by:
                continue
            here = np.take(ours, range(max(0, by), side + min(0, by)), axis)
            there = np.take(theirs, range(max(0, -by), side - max(0, by)), axis)
            undo = each(functools.partial(shift, by=-by, axis=axis))
            voxels = f"{abs(by)} voxel{'s' if abs(by) > 1 else ''}"
            words = f"shifted by {voxels} {'up' if by > 0 else 'down'} the axis {NAMES[axis]}"
            yield Change("shifted", words, undo), distance(here, there)


def shift(volume: FloatArray, by: int, axis: int) -> FloatArray:
    """Shift a volume along an axis, and leave the gap empty."""
    moved = np.roll(volume, by, axis)
    gap: list[slice | int] = [slice(None)] * 3
    gap[axis] = slice(0, by) if by > 0 else slice(by, None)
    moved[tuple(gap)] = 0
    return moved


def each(change: Callable[[FloatArray], FloatArray]) -> Callable[[Items], Items]:
    """Return the function that changes each of the volumes [n, H, W, D]."""
    return lambda items: np.stack([change(item) for item in items])
