"""The comparison of a semi-supervised classifier with a supervised baseline: accuracies and labels used."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.evaluation.measures import supervised_baseline
from pipeline.evaluation.measures.supervised_baseline import LabelledSplits
from pipeline.media.registry import tensors_of
from tests.specs import image_spec

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train for fewer steps, which suffice without augmentation."""
    monkeypatch.setattr(supervised_baseline, "STEPS", 300)


class Brightness(nn.Module):
    """Classify images by their brightness, and record the range of values."""

    def __init__(self) -> None:
        super().__init__()
        self.lowest, self.highest, self.training_seen = 9.0, -9.0, False

    def forward(self, images: Tensor) -> Tensor:
        self.training_seen |= self.training
        self.lowest, self.highest = min(self.lowest, images.min().item()), max(self.highest, images.max().item())
        bright = images.mean(dim=(1, 2, 3))
        return torch.stack([-bright, bright], dim=1)


class Set:
    """Constant images of the given levels."""

    fingerprint = "f" * 64

    def __init__(self, levels: list[int], labels: list[int]) -> None:
        self.pixels = np.array(levels, dtype=np.uint8).reshape(-1, 1, 1, 1) * np.ones((1, 8, 8, 1), dtype=np.uint8)
        self.labels = np.array(labels, dtype=np.int64)
        self.asked: set[int] = set()

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: Any = None, /) -> Any:
        self.asked |= set(range(len(self)) if indices is None else np.asarray(indices).tolist())
        return self.pixels if indices is None else self.pixels[np.asarray(indices)]


def splits(train: Any, labelled: Any, test: Any, **more: Any) -> LabelledSplits:
    tensors = tensors_of(image_spec(8, 1))
    return LabelledSplits(train=train, labelled=np.asarray(labelled), test=test, tensors=tensors, device=CPU, **more)


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(128, 10))


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_accuracy_is_measured_on_labelled_images_in_eval_mode(batch_size: int) -> None:
    network_under_test = Brightness()
    test = Set([0, 255, 255, 0, 255, 0, 255], [0, 1, 0, -1, 1, 1, -1])
    assert (
        supervised_baseline.measure_accuracy(network_under_test, splits(test, [], test, batch_size=batch_size)) == 3 / 5
    )
    assert (network_under_test.lowest, network_under_test.highest) == (-1.0, 1.0)
    assert not network_under_test.training_seen, "dropout is disabled"


def test_a_test_split_without_labels_is_rejected() -> None:
    with pytest.raises(InputError, match="no item of the test split has a class"):
        supervised_baseline.measure_accuracy(Brightness(), splits(Set([1], [1]), [], Set([1, 2], [-1, -1])))


def test_the_baseline_uses_the_given_labels_only(digits: Any) -> None:
    """All other labels are shuffled, and only the images with given labels are read."""
    few = np.concatenate([np.flatnonzero(digits.train.labels == c)[:10] for c in range(10)])
    held = Set([0], [0])
    held.pixels, held.labels = digits.train.array, digits.train.labels.copy()
    others = np.setdiff1d(np.arange(len(held)), few)
    held.labels[others] = np.random.default_rng(0).permutation(held.labels[others])
    found = supervised_baseline.compare_classifiers(network(), network(), splits(held, few, digits.test))
    assert held.asked == set(few.tolist())
    assert found.accuracy < 0.3, "the classifier under test is untrained, and is not trained here"
    assert 0.75 < found.supervised < 0.97
    assert found.metrics == {
        "semi_supervised_accuracy": found.accuracy,
        "supervised_accuracy": found.supervised,
        "labels_used": 100,
    }

    all_labels = splits(digits.train, np.arange(len(digits.train)), digits.test)
    every = supervised_baseline.compare_classifiers(network(), network(), all_labels)
    assert every.supervised > found.supervised + 0.02, "more labels improve the accuracy"


def test_a_seed_determines_the_baseline_and_the_global_random_state_is_unchanged(digits: Any) -> None:
    few = np.arange(0, 60)
    one, two, other = network(), network(), network()
    before = torch.get_rng_state()
    supervised_baseline.train_baseline(one, splits(digits.train, few, digits.test, seed=1))
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(3)
    supervised_baseline.train_baseline(two, splits(digits.train, few, digits.test, seed=1))
    supervised_baseline.train_baseline(other, splits(digits.train, few, digits.test, seed=2))
    weights = [torch.cat([value.flatten() for value in net.state_dict().values()]) for net in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_training_images_are_augmented_and_test_images_are_not() -> None:
    """Every training image is augmented, in the network's range and with a seeded generator."""
    augmented: list[Tensor] = []

    def augment(images: Tensor, rng: torch.Generator) -> Tensor:
        augmented.append(images + 0 * torch.rand(1, generator=rng))
        return torch.zeros_like(images)

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.shown, self.tested = nn.Linear(64, 2), 0.0, 0.0

        def forward(self, images: Tensor) -> Tensor:
            self.shown, self.tested = (
                (self.shown + images.abs().sum().item(), self.tested)
                if self.training
                else (self.shown, images.abs().sum().item())
            )
            found: Tensor = self.layer(images.flatten(1))
            return found

    fresh = Watching()
    data = Set([0, 255, 255, 0], [0, 1, 1, 0])
    supervised_baseline.compare_classifiers(Brightness(), fresh, splits(data, [1, 3], data, augment=augment))
    assert fresh.shown == 0
    assert fresh.tested == 4 * 64
    assert len(augmented) == supervised_baseline.STEPS
    assert {value.item() for batch in augmented[:3] for value in batch.flatten()} == {-1.0, 1.0}
