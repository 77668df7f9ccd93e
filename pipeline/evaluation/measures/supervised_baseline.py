"""Compare a semi-supervised classifier with a baseline that is trained on the same labelled items only.

The baseline has the same architecture, newly initialised. It is trained by cross-entropy with the same augmentation and
noise, for a fixed number of updates with a learning rate that falls to 0. Its last weights are used: the test split
selects nothing. The difference in accuracy is what the unlabelled items and the generator contribute.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.arrays import Int64Array
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import Progress, exact, network_values, quiet
from pipeline.evaluation.extractors.classifier import Labelled
from pipeline.evaluation.extractors.fitting import draw_batches, take_steps, threads_for
from pipeline.media.tensors import Tensors

BATCH = 64

STEPS = 2000
"""Updates of the baseline. 250 suffice for the digits; with augmentation, 1500 are two points better than 500."""

LEARNING_RATE = 1e-3

AugmentFunction = Callable[[Tensor, torch.Generator], Tensor]
"""(values [n, C', H, W], random generator on their device) -> values as the network sees them during training."""


@dataclass(frozen=True)
class SemiSupervised:
    """Accuracies on the test split, 0 to 1.

    Attributes:
        accuracy: Accuracy of the semi-supervised classifier.
        supervised: Accuracy of the baseline.
        labels: Number of labels that both were trained on.
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


@dataclass(frozen=True, kw_only=True)
class LabelledSplits:
    """The data and settings of the comparison.

    Attributes:
        train: Training split.
        labelled: Positions in `train` of the items whose labels the classifier was trained on.
        test: Test split.
        tensors: Converts stored items to network inputs.
        device: Device of the networks.
        seed: Seed of the baseline's training.
        batch_size: Test items per forward pass.
        augment: Augmentation of the network inputs in training.
        progress: Shows the progress of the training.
    """

    train: Labelled
    labelled: Int64Array
    test: Labelled
    tensors: Tensors
    device: torch.device
    seed: int = 0
    batch_size: int = 256
    augment: AugmentFunction = lambda values, rng: values
    progress: Progress = quiet


def compare_classifiers(classifier: nn.Module, fresh: nn.Module, splits: LabelledSplits) -> SemiSupervised:
    """Train `fresh`, which is newly initialised, on the labelled items, and test both classifiers.

    Both networks map values [n, C', H, W] to class logits [n, K].

    Raises:
        InputError: No test item has a label.
    """
    train_baseline(fresh, splits)
    return SemiSupervised(measure_accuracy(classifier, splits), measure_accuracy(fresh, splits), len(splits.labelled))


def train_baseline(network: nn.Module, splits: LabelledSplits) -> None:
    """Train on the labelled items alone; the same seed, data and machine give the same weights."""
    few, device, seed = splits.labelled, splits.device, splits.seed
    rng, augmentation = np.random.default_rng(seed), torch.Generator(device).manual_seed(seed)
    items = splits.train.images(few)
    labels = torch.from_numpy(splits.train.labels[few]).to(device)
    network.to(device).train().requires_grad_(True)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    batches = draw_batches(len(few), min(BATCH, len(few)), rng)

    def loss_of(positions: Int64Array) -> Tensor:
        values = network_values(items[positions], splits.tensors, device)
        logits = network(splits.augment(values, augmentation))
        return F.cross_entropy(logits.float(), labels[torch.from_numpy(positions).to(device)])

    # Dropout draws from the global generators; the caller's are unchanged.
    with torch.random.fork_rng(), exact(device), threads_for(items.shape[1] * items.shape[2]):
        torch.manual_seed(seed)
        take_steps(splits.progress(range(STEPS), "supervised baseline"), batches, loss_of, optimizer, schedule)


def measure_accuracy(network: nn.Module, splits: LabelledSplits) -> float:
    """Return the share of the labelled test items whose class has the largest logit. Raises InputError without any."""
    test, device = splits.test, splits.device
    labelled = np.flatnonzero(test.labels >= 0)
    if len(labelled) == 0:
        raise InputError(
            "no item of the test split has a class, so a classifier cannot be tested; "
            "put the test items into one folder per class"
        )
    network.to(device).eval()
    right = 0
    with torch.inference_mode(), exact(device):
        for start in range(0, len(labelled), splits.batch_size):
            positions = labelled[start : start + splits.batch_size]
            logits = network(network_values(test.images(positions), splits.tensors, device))
            right += int((logits.argmax(dim=1).cpu().numpy() == test.labels[positions]).sum())
    return right / len(labelled)
