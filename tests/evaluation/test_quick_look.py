"""The quick look detects both kinds of collapse, missing classes and blur, and accepts new real images."""

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.evaluation.extractors.base import ArrayItems, Subset
from pipeline.evaluation.measures.distance_tiles import distances_on
from pipeline.evaluation.quick_look import QuickLook
from tests.pretended_cuda import GPU, pretend
from tests.specs import image_spec

CPU = torch.device("cpu")


def quick_look(real: Any, labels: Any = None, samples: int = 360) -> QuickLook:
    return QuickLook(real, image_spec(8, 1, 10), samples=samples, seed=0, device=CPU, labels=labels)


@pytest.fixture(scope="module")
def look(digits: Any) -> QuickLook:
    return quick_look(digits.train, digits.train.labels)


def test_new_real_images_have_good_values(look: QuickLook, digits: Any) -> None:
    found = look(digits.fresh)
    assert found["fid"] < 0.1
    assert 0.9 < found["diversity"] < 1.1
    assert 0.95 < found["distance"] < 1.05
    assert found["near_duplicates"] < 0.04
    assert found["classes"] == 1.0


def test_failures_are_detected(look: QuickLook, digits: Any) -> None:
    real = look(digits.fresh)
    one = look(np.repeat(digits.fresh[:1], 360, axis=0))
    assert one["distance"] == pytest.approx(0.0, abs=1e-6)
    assert one["near_duplicates"] == 1.0
    assert one["classes"] == pytest.approx(0.1)
    few = look(digits.fresh[np.random.default_rng(0).choice(20, 360)])
    assert few["near_duplicates"] > 0.9
    assert few["diversity"] < 0.9 * real["diversity"]
    assert few["distance"] > 0.7, "the mean distance does not detect twenty prototypes"
    lost = look(digits.fresh[~np.isin(digits.fresh_labels, [0, 4, 7])])
    assert lost["classes"] == pytest.approx(0.7)
    blurred = (digits.fresh.astype(np.float64) + np.roll(digits.fresh, 1, 1) + np.roll(digits.fresh, 1, 2)) / 3
    assert look(blurred.astype(np.uint8))["fid"] > 10 * real["fid"]
    noise = np.random.default_rng(0).integers(0, 256, digits.fresh.shape, dtype=np.uint8)
    assert look(noise)["fid"] > 100 * real["fid"]


def test_few_training_images_cause_no_false_alarm(digits: Any) -> None:
    """Forty training images are further apart than a thousand."""
    rng = np.random.default_rng(0)
    some = Subset(digits.train, rng.choice(len(digits.train), 40, replace=False))
    look = quick_look(some)
    found = look(digits.fresh)
    assert found["near_duplicates"] < 0.1
    assert 0.85 < found["diversity"] < 1.15
    three = look(digits.fresh[rng.choice(3, 360)])
    assert three["near_duplicates"] > 0.9
    assert three["diversity"] < 0.3


def test_the_distance_increases_with_noise(look: QuickLook, digits: Any) -> None:
    rng = np.random.default_rng(0)
    found = [
        look(np.clip(digits.fresh + rng.normal(0, sigma, digits.fresh.shape), 0, 255).astype(np.uint8))["fid"]
        for sigma in (0, 10, 20, 40, 80)
    ]
    assert found == sorted(found)


def test_it_is_reproducible_and_needs_no_labels(digits: Any) -> None:
    bare = [quick_look(digits.train) for _ in range(2)]
    assert bare[0](digits.fresh) == bare[1](digits.fresh)
    assert "classes" not in bare[0](digits.fresh)


def test_classes_are_omitted_if_labels_are_random(digits: Any) -> None:
    shuffled = np.random.default_rng(0).permutation(digits.train.labels)
    assert "classes" not in quick_look(digits.train, shuffled)(digits.fresh)


@pytest.mark.parametrize("n", [2, 5, 30])
def test_few_or_constant_real_images_give_finite_numbers(digits: Any, n: int) -> None:
    for array in (digits.train.array[:n], np.full((n, 8, 8, 1), 7, dtype=np.uint8)):
        found = quick_look(ArrayItems(array), digits.train.labels[:n], samples=64)(digits.fresh[:64])
        assert all(np.isfinite(value) for value in found.values()), found


def test_a_look_on_a_gpu_returns_features_and_products_only(digits: Any) -> None:
    """The host waits once for each batch of features and once for each tile of distances."""
    expected = quick_look(digits.train)(digits.fresh[:360])
    with pretend() as gpu, distances_on(GPU):
        look = QuickLook(digits.train, image_spec(8, 1, 10), samples=360, seed=0, device=GPU)
        gpu.clear()
        found = look(digits.fresh[:360])
        returned = {line.partition(":")[0]: count for line, count in gpu.waits.items() if line.endswith("(cpu)")}
        assert returned == {"evaluation/extractors/base.py": 2, "evaluation/measures/distance_tiles.py": 1}
        assert gpu.kernels["convolution.default"] >= 2, gpu.report()
        assert gpu.kernels["mm.out"] == 1
    assert found == pytest.approx(expected, rel=1e-5)
