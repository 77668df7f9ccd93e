"""The exponential moving average (EMA) of the networks' weights, which is evaluated and exported."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn

from pipeline.gans.base import GAN


class EMA:
    """Averages of the networks that a variant names in `ema_networks`.

    The decay is given as a half-life in images (Karras 2018). At first the half-life is a twentieth of the images seen
    (Karras 2020), so that random initial weights fade quickly. Floating-point buffers, such as batch statistics, are
    averaged too; other buffers are copied.

    Args:
        gan: The variant.
        random_start: Its weights are new. Those of a parent (warm start) fade with the whole half-life.
    """

    def __init__(self, gan: GAN, *, random_start: bool = True) -> None:
        self.random_start = random_start
        self.networks: dict[str, nn.Module] = {
            name: deepcopy(gan.get_submodule(name)).eval().requires_grad_(False) for name in gan.ema_networks
        }
        # Looked up once, because a step of a small network takes less than a millisecond.
        pairs = [
            pair
            for name, network in self.networks.items()
            for pair in zip(tensors_of(network), tensors_of(gan.get_submodule(name)), strict=True)
        ]
        floating = [pair for pair in pairs if pair[0].is_floating_point()]
        self.averages, self.sources = [average for average, _ in floating], [source for _, source in floating]
        self.copies = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, half_life: float, images_seen: int, batch_size: int) -> None:
        """Update the averages after a step that brought the total to `images_seen`."""
        if self.random_start:
            half_life = min(half_life, images_seen / 20)
        weight = 1 - 0.5 ** (batch_size / half_life) if half_life > 0 else 1.0
        torch._foreach_lerp_(self.averages, self.sources, weight)
        for average, source in self.copies:
            average.copy_(source)

    @contextmanager
    def apply_to(self, gan: GAN) -> Iterator[GAN]:
        """Within the context, replace the networks of `gan` by their averages in eval mode."""
        trained = {name: gan.get_submodule(name) for name in self.networks}
        for name, network in self.networks.items():
            setattr(gan, name, network)
        try:
            yield gan
        finally:
            for name, network in trained.items():
                setattr(gan, name, network)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return the averages, for a checkpoint."""
        return {name: network.state_dict() for name, network in self.networks.items()}

    def restore(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Restore what `state` returned."""
        for name, network in self.networks.items():
            network.load_state_dict(state[name])


def tensors_of(network: nn.Module) -> list[Tensor]:
    """Return parameters and buffers; they stay the same objects while a network trains."""
    return [*(parameter.detach() for parameter in network.parameters()), *network.buffers()]
