"""The optimizers of a variant's networks, and the update of one phase."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from pipeline import processes
from pipeline.gans.base import GAN, Phase
from pipeline.training.protocols import Row
from pipeline.training.settings import TrainSettings


class Optimizers(dict[str, torch.optim.Adam]):
    """One optimizer per network, by its name, shared by all phases that update it.

    Frozen parameters, which do not require a gradient when this is built, belong to no optimizer and stay frozen.
    """

    def __init__(self, gan: GAN, phases: list[Phase], settings: TrainSettings) -> None:
        # Looked up once, because a step of a small network takes less than a millisecond.
        self.parameters = {
            name: [parameter for parameter in network.parameters() if parameter.requires_grad]
            for name, network in gan.named_children()
        }
        # Learning rate and betas are set before every update.
        names = dict.fromkeys(name for phase in phases for name in phase.networks)
        super().__init__({name: torch.optim.Adam(self.parameters[name], lr=1.0, fused=True) for name in names})
        self.beta1, self.beta2 = settings.beta1, settings.beta2
        self.divided = bool(gan.homes())

    def select(self, phase: Phase) -> list[torch.optim.Adam]:
        """Return the optimizers of a phase; the parameters of all other networks require no gradient from here on."""
        for name, parameters in self.parameters.items():
            for parameter in parameters:
                parameter.requires_grad = name in phase.networks
        return [self[name] for name in phase.networks]

    def take_step(
        self,
        phase: Phase,
        rate: float,
        fraction: float,
        *,
        measure: bool,
        step: Callable[[torch.optim.Adam], None],
    ) -> Row:
        """Update the networks of a phase from their gradients.

        Args:
            phase: The phase.
            rate: Its learning rate.
            fraction: Fraction of the schedule that has passed.
            measure: Return the gradient norm.
            step: Takes one step of an optimizer.

        Returns:
            The gradient norm, if `measure`.
        """
        optimizers = [self[name] for name in phase.networks]
        betas = self.beta1**phase.beta_power, self.beta2.at(fraction) ** phase.beta_power
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group in groups:
            group["lr"], group["betas"] = rate, betas
        norm: Row = {}
        if measure or phase.max_grad_norm:
            parameters = [parameter for group in groups for parameter in group["params"]]
            total = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            if self.divided:
                total = processes.add_up(total.square()).sqrt()
            if phase.max_grad_norm:
                torch.nn.utils.clip_grads_with_norm_(parameters, phase.max_grad_norm, total)
            if measure:
                norm[f"grad_norm_{phase.name}"] = float(total)
        for optimizer in optimizers:
            step(optimizer)
        return norm

    def state(self) -> dict[str, Any]:
        """Return the state of all optimizers, for a checkpoint."""
        return {name: optimizer.state_dict() for name, optimizer in self.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        for name, optimizer in self.items():
            optimizer.load_state_dict(state[name])
