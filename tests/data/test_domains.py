"""Splitting data into two domains: paired files, wide images, or two classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pipeline.data.domains import flatten_pairs, split_domains, split_two_domains
from pipeline.data.store import ItemSet, PairSet
from pipeline.errors import InputError
from tests.specs import image_spec


def stored(kind: type[ItemSet], count: int, width: int = 8, classes: Sequence[str] = (), **more: Any) -> Any:
    """Return `count` noise images in two shards, with rows in random order."""
    rng = np.random.default_rng(0)
    shards = [rng.integers(0, 256, (count, 8, width, 3), dtype=np.uint8) for _ in range(2)]
    order = rng.permutation(2 * count)[:count]
    common: dict[str, Any] = {
        "labels": np.full(count, -1),
        "names": [f"{n}.png" for n in range(count)],
        "item": image_spec(8, 3, classes),
        "fingerprint": "f",
    }
    return kind(shards=shards, shard=order // count, row=order % count, **common | more)


def pairs_of_both_kinds() -> list[PairSet]:
    rng = np.random.default_rng(1)
    return [
        stored(PairSet, 12, 16, partners=None),
        stored(PairSet, 12, 8, partners=(rng.integers(0, 2, 12), rng.permutation(12))),
    ]


@pytest.mark.parametrize("data", pairs_of_both_kinds(), ids=["wide", "apart"])
def test_pairs_are_split_into_a_and_b(data: PairSet) -> None:
    a, b = split_domains(data).values()
    assert (len(data), len(a), len(b), data.images([0]).shape) == (12, 12, 12, (1, 8, 16, 3))
    assert (a.images().shape, a.name, b.name) == ((12, 8, 8, 3), "A", "B")
    assert (np.concatenate([a.images(), b.images()], axis=2) == data.images()).all()
    picked = [7, 0, 7, 11]
    assert (b.images(picked) == data.images(picked)[:, :, 8:]).all()
    assert (a.images(np.array(picked)) == data.images()[picked][:, :, :8]).all()
    assert a.images([]).shape == (0, 8, 8, 3)
    assert len({a.fingerprint, b.fingerprint, data.fingerprint}) == 3
    assert (a.labels.tolist(), list(a.names)) == ([-1] * 12, list(data.names))


@pytest.mark.parametrize("data", pairs_of_both_kinds(), ids=["wide", "apart"])
def test_flattened_pairs_are_all_of_a_and_then_all_of_b(data: PairSet) -> None:
    single = flatten_pairs(data)
    a, b = split_domains(data).values()
    assert len(single) == len(single.labels) == len(single.names) == 24
    assert (single.images() == np.concatenate([a.images(), b.images()])).all()
    assert (
        single.images([23, 0, 12, 3]) == np.stack([b.images()[11], a.images()[0], b.images()[0], a.images()[3]])
    ).all()
    assert single.fingerprint != data.fingerprint


def test_two_classes_are_the_domains() -> None:
    data = stored(ItemSet, 20, labels=np.arange(20) % 3 - 1, classes=["horse", "deer"])
    horse, deer = split_domains(data).values()
    assert (horse.name, deer.name, len(horse), len(deer)) == ("horse", "deer", 7, 6)
    assert (horse.images() == data.images(np.flatnonzero(data.labels == 0))).all()
    assert (deer.images([5, 2]) == data.images(np.flatnonzero(data.labels == 1)[[5, 2]])).all()
    assert deer.names[0] == "2.png"
    assert horse.fingerprint != deer.fingerprint
    assert flatten_pairs(data) is data
    one = split_domains(stored(ItemSet, 4, labels=np.zeros(4, dtype=np.int64), classes=["horse", "deer"]))
    assert list(map(len, one.values())) == [4, 0]


def test_every_class_is_a_domain() -> None:
    data = stored(ItemSet, 20, labels=np.arange(20) % 3, classes=["spring", "summer", "winter"])
    domains = split_domains(data)
    assert {name: (domain.name, len(domain)) for name, domain in domains.items()} == {
        "a": ("spring", 7),
        "b": ("summer", 7),
        "c": ("winter", 6),
    }
    assert (domains["c"].images() == data.images(np.flatnonzero(data.labels == 2))).all()


@pytest.mark.parametrize(
    ("classes", "words"),
    [([], "is none"), (["a"], r"is 1 \(a\)"), ([f"{k}" for k in range(27)], r"is 27 \(0, 1, .*, 19, \.\.\.\)")],
)
def test_data_without_pairs_or_with_too_few_or_too_many_classes_is_rejected(classes: list[str], words: str) -> None:
    with pytest.raises(InputError, match=f"two to 26 domains.*{words}.*name some in data.classes"):
        split_domains(stored(ItemSet, 4, classes=classes))


@pytest.mark.parametrize(("classes", "words"), [([], "is none"), (["a", "b", "c"], r"is 3 \(a, b, c\)")])
def test_a_variant_for_two_domains_rejects_others(classes: list[str], words: str) -> None:
    with pytest.raises(InputError, match=f"{words}.*name two in data.classes.*model.variant: stargan"):
        split_two_domains(stored(ItemSet, 4, classes=classes))
