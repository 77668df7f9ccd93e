"""Train the network that a variant needs before its game, or read it from the cache."""

from pathlib import Path

import torch

from pipeline.data.store import ItemSet
from pipeline.evaluation.cache import remember
from pipeline.gans.base import GAN
from pipeline.tasks.registry import TASKS


def pretrain(gan: GAN, data: ItemSet, device: torch.device, seed: int, folder: Path) -> None:
    """Give a new variant the weights of its pretraining; the same data, settings and seed give the same weights.

    Args:
        gan: The variant, changed in place; one without a pretraining is left as it is.
        data: The training items.
        device: Where to train.
        seed: Seed of the initial weights and of the batches.
        folder: Cache of the weights.
    """
    training = gan.pretraining()
    if training is None:
        return
    network = gan.get_submodule(training.network)

    def fit() -> dict[str, torch.Tensor]:
        batches = TASKS[gan.task].open_view(gan.view, data, device, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return training.fit(batches.next, device)

    key = f"{training.settings} {data.item.shape} {data.fingerprint} {seed} {device.type} {torch.__version__}"
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    network.load_state_dict(remember(folder, f"pretrained-{training.network}", key, shapes, fit, code=[training.fit]))
