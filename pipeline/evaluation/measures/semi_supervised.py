"""What a semi-supervised classifier gained: its accuracy beside that of its own network trained on the same few labels alone.

The baseline is the same architecture, freshly started, trained by cross-entropy on the labelled images and no others, under the same
augmentation and noise: a fixed number of updates with a rate that falls to 0, the last weights, no look at the test split. What it
lacks is the unlabelled images and the generator; the difference is what they are worth.
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
STEPS = 2000  # on the digits 250 are enough; augmented, 500 are not, and 1500 are worth two points more
LEARNING_RATE = 1e-3

See = Callable[[Tensor, torch.Generator], Tensor]
"""Images float [n, C, H, W] as a network is shown them in training; the random generator lives on their device."""


@dataclass(frozen=True)
class SemiSupervised:
    """`accuracy` of the classifier under test and `supervised` of the baseline, 0 to 1 on the test split; `labels` both were shown."""

    accuracy: float
    supervised: float
    labels: int

    @property
    def metrics(self) -> dict[str, float | int]:
        """As metrics/evaluation.json names them."""
        return {
            "semi_supervised_accuracy": self.accuracy,
            "supervised_accuracy": self.supervised,
            "labels_used": self.labels,
        }


def compare(
    classifier: nn.Module,
    fresh: nn.Module,
    train: Labelled,
    few: Int64Array,
    test: Labelled,
    device: torch.device,
    seed: int = 0,
    batch_size: int = 256,
    see: See = lambda images, rng: images,
    progress: Progress = quiet,
) -> SemiSupervised:
    """Both networks map images float [n, C, H, W] in [-1, 1] to class logits [n, K]; `fresh` is untrained and is trained here.

    `few` are the positions in `train` whose labels the classifier was shown. Raises InputError when no test image has a label.
    """
    fit(fresh, train, few, device, seed, see, progress)
    return SemiSupervised(
        accuracy(classifier, test, device, batch_size), accuracy(fresh, test, device, batch_size), len(few)
    )


def fit(
    network: nn.Module,
    train: Labelled,
    few: Int64Array,
    device: torch.device,
    seed: int,
    see: See = lambda images, rng: images,
    progress: Progress = quiet,
) -> None:
    """Trains on the positions `few` of `train` alone; the same seed, data and machine give the same weights."""
    rng, changes = np.random.default_rng(seed), torch.Generator(device).manual_seed(seed)
    images = train.images(few)
    labels = torch.from_numpy(train.labels[few]).to(device)
    network.to(device).train().requires_grad_(True)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    batch = min(BATCH, len(few))
    order = np.empty(0, dtype=np.int64)
    # Dropout draws from the global generators; the caller's are left alone.
    with torch.random.fork_rng(), exact(device), threads_for(images.shape[1] * images.shape[2]):
        torch.manual_seed(seed)
        for _ in progress(range(STEPS), "supervised baseline"):
            if len(order) < batch:
                order = np.concatenate([order, rng.permutation(len(few))])
            positions, order = order[:batch], order[batch:]
            logits = network(see(to_tensor(images[positions], device) / 127.5 - 1, changes))
            loss = F.cross_entropy(logits.float(), labels[torch.from_numpy(positions).to(device)])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def accuracy(network: nn.Module, test: Labelled, device: torch.device, batch_size: int = 256) -> float:
    """The share of the labelled test images whose class has the largest logit."""
    labelled = np.flatnonzero(test.labels >= 0)
    if len(labelled) == 0:
        raise InputError(
            "no image of the test split has a class, so that a classifier cannot be tested; put the test images into one folder a class"
        )
    network.to(device).eval()
    right = 0
    with torch.inference_mode(), exact(device):
        for start in range(0, len(labelled), batch_size):
            positions = labelled[start : start + batch_size]
            found = network(to_tensor(test.images(positions), device) / 127.5 - 1).argmax(dim=1).cpu().numpy()
            right += int((found == test.labels[positions]).sum())
    return right / len(labelled)
