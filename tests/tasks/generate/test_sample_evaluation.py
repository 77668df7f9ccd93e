"""Drawing samples for the evaluation: their number, their classes, and non-finite ones."""

from tempfile import TemporaryFile
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.evaluation.settings import EvaluateSettings
from pipeline.gans.base import GAN, ExportSpec, Phase, View
from pipeline.tasks.generate.sample_evaluation import draw_samples, headline
from tests.gates import GateSettings
from tests.specs import image_spec


class Painter(GAN):
    """Paints images in the shade of their label, or a random one; the shade `broken` becomes NaN."""

    view = View("unlabelled")

    def __init__(self, classes: int = 0, broken: int = -1) -> None:
        super().__init__()
        self.classes, self.broken = classes, broken
        self.asked = 0

    def phases(self) -> list[Phase]:
        return []

    def export(self) -> list[ExportSpec]:
        return []

    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        self.asked += 1
        assert set(conditions) == ({"label"} if self.classes else set())
        shade = conditions["label"] if self.classes else torch.randint(0, 200, (n,), generator=rng)
        images = (shade / 127.5 - 1).view(n, 1, 1, 1).repeat(1, 1, 8, 8)
        images[shade == self.broken] = torch.nan
        return images


TRAIN: Any = SimpleNamespace(item=image_spec(8, 1), labels=np.repeat([0, 1, 2], [70, 20, 10]))
ALIKE: Any = SimpleNamespace(item=image_spec(8, 1), labels=np.zeros(4, dtype=np.int64))
SETTINGS = EvaluateSettings(samples=1000, batch_size=300, seed=5, gate=GateSettings())


def test_samples_are_drawn_in_batches_and_are_reproducible() -> None:
    gan = Painter()
    with TemporaryFile() as scratch:
        found = draw_samples(gan, SETTINGS, TRAIN, scratch)
        assert found.images.shape == (1000, 8, 8, 1)
        assert (found.nonfinite, found.asked.labels, gan.asked) == (0, None, 4)
        with TemporaryFile() as second:
            assert (draw_samples(Painter(), SETTINGS, TRAIN, second).images == found.images).all()
        with TemporaryFile() as third:
            assert (
                draw_samples(Painter(), SETTINGS.model_copy(update={"seed": 6}), TRAIN, third).images != found.images
            ).any()


def test_classes_are_requested_as_often_as_in_the_training_images() -> None:
    with TemporaryFile() as scratch:
        found = draw_samples(Painter(classes=3), SETTINGS, TRAIN, scratch)
        assert found.asked.labels is not None
        assert (found.images[:, 0, 0, 0] == found.asked.labels).all(), "each sample has the class that was requested"
        assert np.bincount(found.asked.labels) / 1000 == pytest.approx([0.7, 0.2, 0.1], abs=0.05)


def test_nonfinite_samples_are_counted_and_dropped_with_their_labels() -> None:
    with TemporaryFile() as scratch:
        found = draw_samples(Painter(classes=3, broken=1), SETTINGS, TRAIN, scratch)
        assert found.asked.labels is not None
        assert found.nonfinite + len(found.images) == 1000
        assert set(found.asked.labels.tolist()) == {0, 2}
        assert (found.images[:, 0, 0, 0] == found.asked.labels).all()
    with TemporaryFile() as scratch:
        nothing = draw_samples(Painter(classes=1, broken=0), SETTINGS, ALIKE, scratch)
        assert nothing.images.shape == (0, 8, 8, 1)
        assert nothing.nonfinite == 1000


def test_the_headline_has_the_most_important_numbers() -> None:
    metrics = {"fid": 12.345678, "fid_ratio": None, "duplicate_rate": 0.0}
    data = SimpleNamespace(modes=SimpleNamespace(covered=9, total=10))
    evaluation: Any = SimpleNamespace(metrics=metrics, data=data)
    assert headline(evaluation) == "fid 12.35, duplicate_rate 0, modes 9/10"
    metrics |= {"semi_supervised_accuracy": 0.91, "supervised_accuracy": 0.8, "labels_used": 1000}
    data.modes = None
    assert (
        headline(evaluation)
        == "fid 12.35, duplicate_rate 0, classifier 91.0% right with 1,000 labels (80.0% by them alone)"
    )
