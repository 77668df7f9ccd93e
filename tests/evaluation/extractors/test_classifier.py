"""The classifier: accuracy, time, reproducibility, cached weights, and any shape of images."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.evaluation.extractors import classifier as module
from pipeline.evaluation.extractors.classifier import train_classifier
from pipeline.evaluation.extractors.classifier_network import DIMS, ClassifierNetwork
from pipeline.evaluation.reference import select_calibration
from pipeline.items import ItemSpec
from pipeline.media.distortion import shift_randomly
from pipeline.tasks.generate.evaluator import Evaluator
from tests.specs import image_spec

CPU = torch.device("cpu")


def test_digits_are_learned_within_seconds_and_cached(evaluator: Evaluator, digits: Any, tmp_path: Path) -> None:
    held = select_calibration(digits.train, digits.test)
    began = time.process_time()
    trained = train_classifier(digits.train, held, image_spec(8, 1, 10), CPU, folder=tmp_path)
    assert time.process_time() - began < 20, "seconds of processor time, which do not depend on the load"
    accuracy = (trained.predict(trained.features(digits.test.array)).argmax(axis=1) == digits.test.labels).mean()
    assert accuracy >= 0.97
    assert evaluator.classifier is not None
    assert evaluator.classifier.spec.sha256 == trained.spec.sha256, "the same data and machine give the same weights"
    (path,) = tmp_path.iterdir()
    before = path.stat().st_mtime_ns
    kept = train_classifier(digits.train, held, image_spec(8, 1, 10), CPU, folder=tmp_path)
    assert (kept.spec, path.stat().st_mtime_ns) == (trained.spec, before)


def test_features_and_probabilities_are_valid(evaluator: Evaluator, digits: Any) -> None:
    trained = evaluator.classifier
    assert trained is not None
    features = trained.features(digits.fresh)
    assert features.shape == (360, DIMS)
    assert np.isfinite(features).all()
    np.testing.assert_allclose(trained.features(digits.fresh[:7]), features[:7], atol=1e-4)
    np.testing.assert_allclose(trained.predict(features).sum(axis=1), 1, atol=1e-5)
    assert (features.std(axis=0) > 1e-4).all(), "no dead units"


def test_training_does_not_change_the_global_random_state(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_STEPS", 2)
    monkeypatch.setattr(module, "MAX_STEPS", 2)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train_classifier(digits.train, np.arange(0), image_spec(8, 1, 10), CPU)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("resolution", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_resolution_and_number_of_channels(resolution: int, channels: int) -> None:
    network = ClassifierNetwork(image_spec(resolution, channels, 7)).eval()
    features = network(torch.randint(0, 256, (2, channels, resolution, resolution)).float())
    assert features.shape == (2, DIMS)
    assert network.head(features).shape == (2, 7)


@pytest.mark.parametrize("shape", [(6, 10, 1), (1, 7, 2), (1, 16_000, 1), (100, 9, 3), (64, 172, 1)])
def test_any_shape(shape: tuple[int, int, int]) -> None:
    height, width, channels = shape
    item = ItemSpec(height=height, width=width, channels=channels, classes=("a", "b"))
    network = ClassifierNetwork(item).eval()
    features = network(torch.randint(0, 256, (2, channels, height, width)).float())
    assert network.head(features).shape == (2, 2)


def test_augmentation_shifts_each_image_by_its_own_offset() -> None:
    images = torch.zeros(64, 2, 32, 32)
    images[:, :, 16, 16] = torch.tensor([1.0, 2.0])
    moved = shift_randomly(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    places = {tuple((image[0] == 1.0).nonzero()[0].tolist()) for image in moved}
    assert places <= {(16 + dy, 16 + dx) for dy in range(-2, 3) for dx in range(-2, 3)}
    assert len(places) > 15
    assert torch.equal((moved[:, 0] * 2), moved[:, 1]), "all channels are shifted alike"


def test_images_without_labels_are_not_used(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_STEPS", 3)
    monkeypatch.setattr(module, "MAX_STEPS", 3)
    seen: list[Any] = []
    train = type(digits.train)(digits.train.array, np.where(np.arange(len(digits.train)) % 2, digits.train.labels, -1))
    read = train.images

    def images(indices: Any) -> Any:
        seen.append(np.asarray(indices))
        return read(indices)

    monkeypatch.setattr(train, "images", images)
    train_classifier(train, np.arange(100), image_spec(8, 1, 10), CPU)
    used = np.concatenate(seen)
    assert (used % 2 == 1).all()
    assert used.min() >= 100
