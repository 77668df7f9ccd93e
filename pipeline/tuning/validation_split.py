"""Hold out a part of the training split, so that a search needs no item of the test split."""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from pipeline.arrays import Int64Array
from pipeline.data.grouping import Groups
from pipeline.data.store import ItemSet, PairSet, VariableSizeSet


def hold_out(items: ItemSet, share: float, seed: int, groups: Groups) -> tuple[ItemSet, ItemSet]:
    """Split items into those to train on and those that are held out.

    All items of one file, and all files of one group (`data.group`), are on one side. Two domains have no common
    groups, so their shares differ by chance.

    Args:
        items: The training split.
        share: Expected share of the groups that is held out.
        seed: Seed of the choice.
        groups: Names the group of a file.
    """
    drawn = {name: draw(groups.name(name) or name, seed) for name in dict.fromkeys(items.names)}
    held_out = np.array([drawn[name] < share for name in items.names], dtype=bool)
    return take(items, np.flatnonzero(~held_out)), take(items, np.flatnonzero(held_out))


def draw(group: str, seed: int) -> float:
    """Return a number in [0, 1) that follows from the name of a group."""
    return int.from_bytes(hashlib.sha256(f"{seed} {group}".encode()).digest()[:8]) / 2**64


def take(items: ItemSet, positions: Int64Array) -> ItemSet:
    """Return the items at these positions, with a fingerprint of their own."""
    digest = hashlib.sha256(items.fingerprint.encode() + positions.astype("<i8").tobytes())
    changes: dict[str, Any] = {
        "shard": items.shard[positions],
        "row": items.row[positions],
        "labels": items.labels[positions],
        "names": [items.names[position] for position in positions.tolist()],
        "captions": [items.captions[position] for position in positions.tolist()] if items.captions else (),
        "fingerprint": digest.hexdigest(),
    }
    if isinstance(items, VariableSizeSet):
        changes |= {"heights": items.heights[positions], "widths": items.widths[positions]}
    if isinstance(items, PairSet) and items.partners is not None:
        shard, row = items.partners
        changes |= {"partners": (shard[positions], row[positions])}
    return dataclasses.replace(items, **changes)
