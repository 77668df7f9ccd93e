"""What a blind test of a generator shows: held-out items, and generated ones."""

import torch

from pipeline.arrays import Items
from pipeline.data.batch_sampling import TrainingItems
from pipeline.data.store import ItemSet
from pipeline.evaluation.blind_test import HALF, BlindTest, require_finite
from pipeline.gans.base import GAN
from pipeline.media.registry import tensors_of
from pipeline.tasks.generate.conditions import draw_conditions


def draw_items(gan: GAN, train: TrainingItems, test: ItemSet, blind: BlindTest) -> tuple[Items, Items]:
    """Return held-out items and generated ones, each [HALF, H, W, C].

    Raises:
        InputError: The test split is too small, or the model generates NaN or Inf.
    """
    real = test.images(blind.choose(len(test), HALF, "items"))
    return real, draw_generated(gan, train, blind.seed)


@torch.inference_mode()
def draw_generated(gan: GAN, train: TrainingItems, seed: int) -> Items:
    """Draw HALF items [HALF, H, W, C], with conditions in the shares of the training items.

    Raises:
        InputError: The model generates NaN or Inf.
    """
    asked = draw_conditions(gan, train, HALF, seed)
    values = require_finite(gan.sample(HALF, torch.Generator().manual_seed(seed), **asked.inputs))
    return tensors_of(train.item).from_network(values)
