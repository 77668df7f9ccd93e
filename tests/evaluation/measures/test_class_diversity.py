"""Diversity within each class, relative to real images."""

import numpy as np
import pytest

from pipeline.evaluation.measures.class_diversity import class_diversity

NAMES = ["a", "b", "c"]


def sets(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (600, 16)).astype(np.float32), np.arange(600) % 3


def test_real_images_have_a_ratio_of_one() -> None:
    found = class_diversity(*sets(0), *sets(1), classes=NAMES, seed=0)
    assert [name for name, _ in found] == NAMES
    assert [value for _, value in found] == pytest.approx([1, 1, 1], abs=0.05)


def test_a_class_of_few_prototypes_has_a_low_ratio() -> None:
    fake, shown = sets(0)
    members = np.flatnonzero(shown == 1)
    fake[members] = fake[members[:2].repeat(100)]
    found = dict(class_diversity(fake, shown, *sets(1), classes=NAMES, seed=0))
    assert found["b"] < 0.2
    assert min(found["a"], found["c"]) > 0.9


def test_a_class_with_few_samples_is_left_out() -> None:
    fake, shown = sets(0)
    kept = (shown != 2) | (np.arange(600) < 20)
    assert [name for name, _ in class_diversity(fake[kept], shown[kept], *sets(1), classes=NAMES, seed=0)] == ["a", "b"]
