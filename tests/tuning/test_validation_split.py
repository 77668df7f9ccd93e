"""The part of the training split that a search holds out."""

import numpy as np
import pytest

from pipeline.data.grouping import Groups
from pipeline.data.store import ItemSet, PairSet, VariableSizeSet
from pipeline.items import ItemSpec
from pipeline.tuning.validation_split import hold_out, take

ITEM = ItemSpec(medium="image", height=1, width=1, channels=1, classes=("a", "b"))
COUNT = 2000


def build_items(kind: type[ItemSet] = ItemSet, **more: object) -> ItemSet:
    """Return items whose value is their row; each file has two of them."""
    rows = np.arange(COUNT)
    values = {
        "shards": [rows.astype(np.uint16).reshape(-1, 1, 1, 1)],
        "shard": np.zeros(COUNT, dtype=np.int64),
        "row": rows,
        "labels": rows % 2,
        "names": [f"speaker-{row % 20}/{row // 2}.png" for row in rows],
        "item": ITEM,
        "fingerprint": "all",
        "captions": [f"caption {row}" for row in rows],
    }
    return kind(**values, **more)  # type: ignore[arg-type]


def test_both_parts_together_are_all_items() -> None:
    items = build_items()
    rest, held_out = hold_out(items, 0.1, 0, Groups("file"))
    assert sorted([*rest.row, *held_out.row]) == list(range(COUNT))
    assert 0.07 * COUNT < len(held_out) < 0.13 * COUNT
    for part in (rest, held_out):
        assert (part.images()[:, 0, 0, 0] == part.row).all()
        assert (part.labels == part.row % 2).all()
        assert list(part.captions) == [f"caption {row}" for row in part.row]
        assert len({items.fingerprint, rest.fingerprint, held_out.fingerprint}) == 3


@pytest.mark.parametrize("rule", ["file", "folder", r"speaker-(\d+)"])
def test_no_group_is_in_both_parts(rule: str) -> None:
    groups = Groups(rule)
    rest, held_out = hold_out(build_items(), 0.2, 0, groups)
    names = [{groups.name(name) or name for name in part.names} for part in (rest, held_out)]
    assert names[1]
    assert not names[0] & names[1]


def test_the_choice_follows_from_the_seed() -> None:
    first, again, other = (hold_out(build_items(), 0.1, seed, Groups("file"))[1] for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint
    assert set(first.names) != set(other.names)


def test_partners_and_sizes_go_with_their_items() -> None:
    chosen = np.array([3, 8])
    sizes = np.arange(COUNT)
    odd = take(build_items(VariableSizeSet, heights=sizes, widths=sizes + 1), chosen)
    assert isinstance(odd, VariableSizeSet)
    assert (odd.heights == chosen).all()
    assert (odd.widths == chosen + 1).all()
    pairs = take(build_items(PairSet, partners=(np.zeros(COUNT, dtype=np.int64), sizes[::-1])), chosen)
    assert isinstance(pairs, PairSet)
    assert pairs.read_side(0)[:, 0, 0, 0].tolist() == [3, 8]
    assert pairs.read_side(1)[:, 0, 0, 0].tolist() == [COUNT - 4, COUNT - 9]
