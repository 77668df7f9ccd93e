"""Variance within classes, relative to real items."""

import numpy as np
import pytest

from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.measures.class_spread import class_spread, reduce
from tests.specs import image_spec


def sets(seed: int, n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    return (rng.normal(0, 1, (n, 16)) + 10 * labels[:, None]).astype(np.float32), labels


def test_real_items_have_a_ratio_of_one() -> None:
    found = class_spread(*sets(0), *sets(1), seed=0)
    assert found.number == pytest.approx(1, abs=0.05)
    assert abs(found.z or 0) < 4


def test_the_typical_half_of_each_class_has_less_variance() -> None:
    items, labels = sets(0)
    typical = np.square(items - 10 * labels[:, None]).sum(axis=1)
    kept = typical < np.median(typical)
    found = class_spread(items[kept], labels[kept], *sets(1), seed=0)
    assert 0.5 < (found.number or 0) < 0.75
    assert (found.z or 0) < -5


def test_too_few_items_are_not_measured() -> None:
    assert class_spread(*sets(0, 15), *sets(1), seed=0).value is None
    assert class_spread(*sets(0), sets(1)[0], np.full(600, -1), seed=0).value is None


def test_constant_classes_are_equal() -> None:
    items, labels = np.zeros((60, 4), dtype=np.float32), np.arange(60) % 2
    assert class_spread(items, labels, items, labels, seed=0).number == 1


@pytest.mark.parametrize(("shape", "dims"), [((32, 32, 3), 192), ((1, 5, 1), 5)])
def test_items_are_reduced(shape: tuple[int, ...], dims: int) -> None:
    items = np.full((3, *shape), 7, dtype=np.uint8)
    item = image_spec(8, shape[2]).model_copy(update={"height": shape[0], "width": shape[1]})
    found = reduce(ArrayItems(items), item)
    assert found.shape == (3, dims)
    assert (found == 7).all()
