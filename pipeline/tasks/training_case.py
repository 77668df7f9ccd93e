"""What a task is given to build the look of a training with."""

from dataclasses import dataclass

import torch

from pipeline.data.store import ItemSet
from pipeline.gans.base import GAN
from pipeline.items import ItemSpec
from pipeline.training.settings import TrainSettings


@dataclass(frozen=True)
class TrainingCase:
    """A training that is about to start; `held_out` items are not trained on."""

    gan: GAN
    item: ItemSpec
    train: ItemSet
    held_out: ItemSet
    settings: TrainSettings
    device: torch.device
