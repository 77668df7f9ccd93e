"""Likelihood of held-out digits, and paths between latents, as an evaluation measures them."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.tasks.generate.evaluator import Evaluator
from pipeline.tasks.generate.sample_evaluation import value_source
from pipeline.tasks.generate.sample_set import SampleSet
from tests.digits import Digits


class Fader:
    """Fades from one image to another with the first latent; the label gives the second image."""

    condition = "label"

    def __init__(self, images: Tensor, sharpness: float) -> None:
        self.images, self.sharpness = images, sharpness
        self.latent, self.classes = 4, len(images) - 1

    def sample(self, n: int, rng: torch.Generator, *, z: Tensor, label: Tensor) -> Tensor:
        share = torch.sigmoid(self.sharpness * z[:, :1, None, None])
        return share * self.images[0] + (1 - share) * self.images[label + 1]


def test_fresh_digits_generalise_and_copies_do_not(evaluator: Evaluator, digits: Digits) -> None:
    copies = digits.train.array[evaluator.calibration_positions]
    fresh, copied = SampleSet(evaluator, digits.fresh).likelihood, SampleSet(evaluator, copies).likelihood
    assert fresh is not None
    assert copied is not None
    assert copied.divergence > fresh.divergence
    assert copied.gap < fresh.gap - 10
    assert abs(fresh.gap - fresh.real_gap) < 10


def test_abrupt_changes_make_paths_longer(evaluator: Evaluator, digits: Digits) -> None:
    images = torch.from_numpy(digits.fresh[:4]).permute(0, 3, 1, 2) / 127.5 - 1
    train: Any = SimpleNamespace(labels=np.array([0, 1, 2, 2]))
    lengths = []
    for sharpness in (1.0, 10.0):
        gan: Any = Fader(images, sharpness)
        data = SampleSet(evaluator, digits.fresh, draw_values=value_source(gan, 0, train), latent=gan.latent)
        lengths.append(data.path_length)
    assert lengths[0]
    assert lengths[1]
    assert lengths[1] > 2 * lengths[0] > 0
    assert replace(data, draw_values=None).path_length is None
