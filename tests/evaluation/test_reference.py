"""The ratio of a distance to its null, and the images held out for calibration."""

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.reference import Reference, ratio, require_reference, select_calibration


def normal(n: int, seed: int, d: int = 16) -> Any:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_at_most_a_quarter_of_the_training_images_is_held_out(digits: Any) -> None:
    held = select_calibration(digits.train, digits.test)
    assert len(held) == len(digits.train) // 4 < len(digits.test)
    assert (np.diff(held) > 0).all()
    assert np.array_equal(held, select_calibration(digits.train, digits.test))


@pytest.mark.parametrize("n", [200, 5000])
def test_a_perfect_generator_has_a_ratio_of_one_at_any_size(n: int) -> None:
    """5,000 samples and 300 real images are compared at 275 each, so more samples are no advantage."""
    values = [
        ratio(normal(n, 100 + s, 40), Reference(normal(300, 200 + s, 40), normal(250, 300 + s, 40)), 0)
        for s in range(10)
    ]
    found = [value.value for value in values if value and value.value]
    assert np.mean(found) == pytest.approx(1.0, abs=0.1)
    assert max(found) < 1.5
    assert {value.n for value in values if value} == {min(n, 275)}


def test_the_ratio_does_not_depend_on_the_amount_of_data() -> None:
    """The null falls with the number of images; the ratio of an imperfect generator does not rise with it."""
    few, many = (ratio(normal(n, 1) * 1.1, Reference(normal(n, 2), normal(n, 3)), 0) for n in (300, 10_000))
    assert few
    assert few.value
    assert many
    assert many.value
    assert few.n == many.n == 8 * 16
    assert many.value == pytest.approx(few.value, rel=0.1)


def test_worse_samples_have_a_higher_ratio() -> None:
    real = Reference(normal(300, 1), normal(250, 2))
    for fake in (normal(300, 3) + 0.5, normal(300, 3) * 0.2, np.repeat(normal(10, 3), 30, axis=0)):
        found = ratio(fake, real, 0)
        assert found
        assert found.value
        assert found.value > 3
        assert found == ratio(fake, real, 0), "it is reproducible"


def test_too_few_or_equal_images_have_no_ratio() -> None:
    assert ratio(normal(50, 1), Reference(normal(2, 2), normal(1, 3)), 0) is None
    still = np.ones((40, 4), dtype=np.float32)
    found = ratio(normal(40, 1, 4), Reference(still, still), 0)
    assert found
    assert found.value is None


@pytest.mark.parametrize("n", [0, 1])
def test_an_empty_test_split_is_an_error_that_names_the_key(n: int) -> None:
    with pytest.raises(InputError, match=r"data\.test_fraction"):
        require_reference(ArrayItems(np.zeros((n, 8, 8, 1), dtype=np.uint8)))
