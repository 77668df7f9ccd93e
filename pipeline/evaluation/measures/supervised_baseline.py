"""Compare a semi-supervised classifier with a baseline trained only on the same few labelled images.

The baseline has the same architecture, is newly initialised and trained by cross-entropy with the same augmentation and
noise. It takes a fixed number of updates with a learning rate that falls to 0, and its last weights are used: the test
split selects nothing. The difference in accuracy is what the unlabelled images and the generator contribute.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.arrays import Int64Array
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import Progress, exact, quiet, to_tensor
from pipeline.evaluation.extractors.classifier import Labelled, threads_for

BATCH = 64
STEPS = 2000
"""Updates of the baseline.

On the digits 250 are enough without augmentation. With augmentation 500 are too few, and 1500 gain two points.
"""

LEARNING_RATE = 1e-3

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Augments images, float [n, C, H, W], as in training; the random generator is on their device."""


@dataclass(frozen=True)
class SemiSupervised:
    """Accuracies on the test split, 0..1.

    Attributes:
        accuracy: Accuracy of the semi-supervised classifier.
        supervised: Accuracy of the baseline.
        labels: Labels that both were trained on.
    """

    accuracy: float
    supervised: float
    labels: int

    @property
    def metrics(self) -> dict[str, float | int]:
        """The values by their names in metrics/evaluation.json."""
        return {
            "semi_supervised_accuracy": self.accuracy,
            "supervised_accuracy": self.supervised,
            "labels_used": self.labels,
        }


def compare_with_baseline(
    classifier: nn.Module,
    baseline: nn.Module,
    train: Labelled,
    labelled: Int64Array,
    test: Labelled,
    *,
    device: torch.device,
    seed: int = 0,
    batch_size: int = 256,
    augment: Augment = lambda images, rng: images,
    progress: Progress = quiet,
) -> SemiSupervised:
    """Train the baseline and test both classifiers.

    Both networks map images, float [n, C, H, W] in [-1, 1], to class logits [n, K].

    Args:
        classifier: The trained semi-supervised classifier.
        baseline: The same network, newly initialised; it is trained here.
        train: Training split.
        labelled: Positions in `train` whose labels the classifier was trained on.
        test: Test split.
        device: Where the networks run.
        seed: Seed of the baseline's training.
        batch_size: Test images per forward pass.
        augment: Augmentation of the training images.
        progress: Shows the progress of the training.

    Raises:
        InputError: No test image has a label.
    """
    train_baseline(baseline, train, labelled, device=device, seed=seed, augment=augment, progress=progress)
    return SemiSupervised(
        accuracy(classifier, test, device, batch_size), accuracy(baseline, test, device, batch_size), len(labelled)
    )


def train_baseline(
    network: nn.Module,
    train: Labelled,
    labelled: Int64Array,
    *,
    device: torch.device,
    seed: int,
    augment: Augment = lambda images, rng: images,
    progress: Progress = quiet,
) -> None:
    """Train `network` on the positions `labelled` of `train`.

    The same seed, data and machine give the same weights. Other arguments are those of `compare_with_baseline`.
    """
    rng, augment_rng = np.random.default_rng(seed), torch.Generator(device).manual_seed(seed)
    images = train.images(labelled)
    labels = torch.from_numpy(train.labels[labelled]).to(device)
    network.to(device).train().requires_grad_(True)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    batch = min(BATCH, len(labelled))
    order = np.empty(0, dtype=np.int64)
    # Dropout draws from the global generator, whose state is restored for the caller.
    with torch.random.fork_rng(), exact(device), threads_for(images.shape[1] * images.shape[2]):
        torch.manual_seed(seed)
        for _ in progress(range(STEPS), "supervised baseline"):
            if len(order) < batch:
                order = np.concatenate([order, rng.permutation(len(labelled))])
            positions, order = order[:batch], order[batch:]
            logits = network(augment(to_tensor(images[positions], device) / 127.5 - 1, augment_rng))
            loss = F.cross_entropy(logits.float(), labels[torch.from_numpy(positions).to(device)])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def accuracy(network: nn.Module, test: Labelled, device: torch.device, batch_size: int = 256) -> float:
    """Return the accuracy of a classifier on the labelled test images, 0..1.

    Raises:
        InputError: No test image has a label.
    """
    labelled = np.flatnonzero(test.labels >= 0)
    if len(labelled) == 0:
        raise InputError(
            "no image of the test split has a class, so the classifier cannot be tested: "
            "put the test images into one folder per class"
        )
    network.to(device).eval()
    correct = 0
    with torch.inference_mode(), exact(device):
        for start in range(0, len(labelled), batch_size):
            positions = labelled[start : start + batch_size]
            predicted = network(to_tensor(test.images(positions), device) / 127.5 - 1).argmax(dim=1).cpu().numpy()
            correct += int((predicted == test.labels[positions]).sum())
    return correct / len(labelled)
