"""Near-duplicates within a class."""

import numpy as np

from pipeline.evaluation.measures.class_repeats import class_repeats


def sets(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 5
    return (rng.normal(0, 1, (n, 6)) + 10 * labels[:, None]).astype(np.float32), labels


def test_real_items_repeat_as_often_as_each_other() -> None:
    excesses = []
    for seed in range(2):
        found = class_repeats(*sets(seed), *sets(seed + 50), seed=0)
        assert found is not None
        excesses.append((found[1].number or 0) - (found[1].null or 0))
        assert abs(found[1].z or 0) < 5
    assert max(excesses) < 0.25


def test_a_class_from_few_items_is_found() -> None:
    items, labels = sets(0)
    members, rng = np.flatnonzero(labels == 2), np.random.default_rng(0)
    items[members] = items[rng.choice(members[:8], len(members))] + rng.normal(0, 0.01, (len(members), 6))
    found = class_repeats(items, labels, *sets(1), seed=0)
    assert found is not None
    assert found[0] == 2
    assert (found[1].number or 0) > 0.9
    assert (found[1].z or 0) > 5


def test_small_groups_and_unknown_labels_are_not_measured() -> None:
    assert class_repeats(*sets(0, 40), *sets(1), seed=0) is None
    assert class_repeats(*sets(0), sets(1)[0], np.full(300, -1), seed=0) is None
