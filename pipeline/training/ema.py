"""The exponential moving average of a network's weights: what is delivered, instead of the last noisy step."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn

from pipeline.gans.base import GAN


class Average:
    """Averages of the networks a variant names in `ema_networks`.

    After `half_life` images a weight counts half (Karras 2018's form of the decay). Early on the half-life is shortened to a
    twentieth of the images seen (Karras 2020's warm-up), so that the random initial weights do not linger. Floating buffers (batch-normalisation
    statistics) are averaged with the weights they belong to; others are copied.
    """

    def __init__(self, gan: GAN) -> None:
        self.networks: dict[str, nn.Module] = {
            name: deepcopy(gan.get_submodule(name)).eval().requires_grad_(False) for name in gan.ema_networks
        }
        # Tensors of the average, each with the one it follows: looked up once, because a step of a small network is soon over.
        both = [
            pair
            for name, average in self.networks.items()
            for pair in zip(tensors(average), tensors(gan.get_submodule(name)), strict=True)
        ]
        floating = [pair for pair in both if pair[0].is_floating_point()]
        self.averaged, self.followed = [mine for mine, _ in floating], [live for _, live in floating]
        self.copied = [pair for pair in both if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, half_life: float, images_seen: int, batch_size: int) -> None:
        """Moves the averages after a step that brought the total to `images_seen`."""
        half_life = min(half_life, images_seen / 20)
        weight = 1 - 0.5 ** (batch_size / half_life) if half_life > 0 else 1.0
        torch._foreach_lerp_(self.averaged, self.followed, weight)
        for mine, live in self.copied:
            mine.copy_(live)

    @contextmanager
    def applied(self, gan: GAN) -> Iterator[GAN]:
        """Within the context `gan` samples from the averages, in evaluation mode; the live networks return after it."""
        live = {name: gan.get_submodule(name) for name in self.networks}
        for name, network in self.networks.items():
            setattr(gan, name, network)
        try:
            yield gan
        finally:
            for name, network in live.items():
                setattr(gan, name, network)

    def state(self) -> dict[str, dict[str, Tensor]]:
        return {name: network.state_dict() for name, network in self.networks.items()}

    def restore(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        for name, network in self.networks.items():
            network.load_state_dict(state[name])


def tensors(network: nn.Module) -> list[Tensor]:
    """Parameters and buffers; they stay the same objects while a network trains."""
    return [*(parameter.detach() for parameter in network.parameters()), *network.buffers()]
