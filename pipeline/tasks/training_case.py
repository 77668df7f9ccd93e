"""What a task is given to build the look of a training with."""

from dataclasses import dataclass

import torch

from pipeline.data.store import ImageSet
from pipeline.gans.base import GAN
from pipeline.items import ItemSpec
from pipeline.training.settings import TrainSettings


@dataclass(frozen=True)
class TrainingCase:
    """A training that is about to start; `held_out` items are not trained on."""

    gan: GAN
    item: ItemSpec
    train: ImageSet
    held_out: ImageSet
    settings: TrainSettings
    device: torch.device
