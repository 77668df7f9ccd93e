"""Networks that live in one process each, which a variant may move from one process to another."""

import io
from collections.abc import Mapping

import torch

from pipeline import processes
from pipeline.gans.base import GAN


class Placement:
    """Follows the networks of a variant through the processes; does nothing if each process has them all.

    Args:
        gan: The variant; `gan.homes()` says where its networks live.
        optimizers: Their optimizers by the networks' names, which move with them.
    """

    def __init__(self, gan: GAN, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
        self.gan, self.optimizers = gan, optimizers
        self.homes = dict(gan.homes())

    def settle(self) -> None:
        """Accept the present homes: each process has just read all networks from a checkpoint."""
        self.homes = dict(self.gan.homes())

    def follow(self) -> None:
        """Send the networks that the variant has moved to their new homes."""
        homes = dict(self.gan.homes())
        for name, home in homes.items():
            self.send(name, self.homes[name], home)
        self.homes = homes

    def bring_together(self) -> None:
        """Give the first process all networks as they are. Raise TrainingFailed if replicas differ."""
        if not self.homes:
            processes.require_equal([*self.gan.state_dict().values()])
        for name, home in self.homes.items():
            self.send(name, home, 0)

    def send(self, name: str, source: int, target: int) -> None:
        """Copy a network and its optimizer from one process to another; all processes call this in the same order."""
        network, optimizer = self.gan.get_submodule(name), self.optimizers[name]
        if source == target or processes.rank() not in (source, target):
            return
        content = io.BytesIO()
        if processes.rank() == source:
            torch.save((network.state_dict(), optimizer.state_dict()), content)
        received = processes.send(content.getvalue(), source, target)
        if processes.rank() == target:
            weights, state = torch.load(io.BytesIO(received), map_location="cpu", weights_only=True)
            network.load_state_dict(weights)
            optimizer.load_state_dict(state)
