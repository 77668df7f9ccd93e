"""The digits in three parts: a training split, a test split, and fresh images as a perfect generator's samples."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from pipeline.arrays import Int64Array, UInt8Array
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.items import ItemSpec
from pipeline.tasks.generate.evaluator import Evaluator
from tests.gates import GateSettings
from tests.specs import image_spec


class Labelled(ArrayItems):
    """Images in memory with labels and a fingerprint, like a split of the store."""

    item = image_spec(8, 1, 10)

    def __init__(self, array: UInt8Array, labels: Int64Array, fingerprint: str = "f" * 64) -> None:
        super().__init__(array)
        self.labels, self.fingerprint = labels, fingerprint


@dataclass(frozen=True)
class Digits:
    train: Labelled
    test: Labelled
    fresh: UInt8Array
    fresh_labels: Int64Array
    classes: list[str]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: on a busy machine, threads that wait for each other take ten times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> Digits:
    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.rint(data.images * 255 / 16).astype(np.uint8)[..., None]
    labels = data.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(images))
    test, fresh, train = order[:360], order[360:720], order[720:]
    return Digits(
        Labelled(images[train], labels[train], "1" * 64),
        Labelled(images[test], labels[test], "2" * 64),
        images[fresh],
        labels[fresh],
        [str(c) for c in range(10)],
    )


@pytest.fixture(scope="session")
def evaluator(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    """Return an evaluator of the digits. All workers of a session share its cache, and with it the classifier."""
    cache = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        cache = cache.parent
    return Evaluator(
        digits.train,
        digits.test,
        ItemSpec(height=8, width=8, channels=1, classes=tuple(digits.classes)),
        EvaluateSettings(gate=GateSettings()),
        torch.device("cpu"),
        cache / "evaluator-of-digits",
    )
