"""A GAN of two-dimensional points: the project's adversarial game with two small perceptrons."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.modes.mixtures import Mixture
from pipeline.gans.base import Batch
from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.game.adversarial_settings import AdversarialSettings

WIDTH = 128
GENERATOR_LAYERS, DISCRIMINATOR_LAYERS = 4, 3
FREQUENCIES = {"generator": 0.3, "discriminator": 0.5}
"""Standard deviation of the Fourier frequencies in periods per unit; points and latents have unit variance."""


class Sines(nn.Module):
    """Random Fourier features [B, outputs] of x [B, inputs] (Tancik 2020, "Fourier Features", eq. 5).

    A plain perceptron learns smooth functions first. The modes are 40 to 77 standard deviations apart; without these
    features training takes some hundred thousand steps.
    """

    directions: Tensor

    def __init__(self, inputs: int, outputs: int, frequency: float) -> None:
        super().__init__()
        self.register_buffer("directions", 2 * math.pi * frequency * torch.randn(inputs, outputs // 2))

    def forward(self, x: Tensor) -> Tensor:
        phases = x @ self.directions
        return math.sqrt(2) * torch.cat([phases.sin(), phases.cos()], dim=1)


def perceptron(inputs: int, outputs: int, hidden: int, slope: float) -> nn.Sequential:
    """Return `hidden` leaky-ReLU layers with negative `slope`, followed by a linear layer."""
    layers: list[nn.Module] = []
    for width in [inputs] + [WIDTH] * (hidden - 1):
        layers += [nn.Linear(width, WIDTH), nn.LeakyReLU(slope)]
    return nn.Sequential(*layers, nn.Linear(WIDTH, outputs))


class PointDiscriminator(nn.Module):
    """Map packs of points [B, 2 packing] to logits [B]; all points of a pack share the Fourier features."""

    def __init__(self, packing: int) -> None:
        super().__init__()
        self.sines = Sines(2, WIDTH, FREQUENCIES["discriminator"])
        self.layers = perceptron(packing * WIDTH, 1, DISCRIMINATOR_LAYERS, slope=0.2)

    def forward(self, points: Tensor) -> Tensor:
        features = self.sines(points.reshape(-1, 2)).reshape(len(points), -1)
        logits: Tensor = self.layers(features)
        return logits.flatten()


class PointGAN(Adversarial):
    """Generate points [B, 2] of unit variance from z [B, latent]."""

    def __init__(self, settings: AdversarialSettings) -> None:
        generator = nn.Sequential(
            Sines(settings.latent, WIDTH, FREQUENCIES["generator"]), perceptron(WIDTH, 2, GENERATOR_LAYERS, slope=0.0)
        )
        super().__init__(settings, generator, PointDiscriminator(settings.stabilisers.packing))


class Points:
    """Batches {"item": float32 [B, 2]} of unit variance, drawn with replacement from a fixed training set."""

    def __init__(self, mixture: Mixture, n: int, device: torch.device, seed: int) -> None:
        points = mixture.draw(n, np.random.default_rng(seed)) / mixture.scale
        self.points = torch.from_numpy(points).float().to(device)
        self.rng = torch.Generator(device).manual_seed(seed)

    def next(self, n: int) -> Batch:
        return {
            "item": self.points[torch.randint(len(self.points), (n,), generator=self.rng, device=self.points.device)]
        }

    def state(self) -> dict[str, object]:
        return {"rng": self.rng.get_state()}

    def restore(self, state: Mapping[str, object]) -> None:
        rng = state["rng"]
        assert isinstance(rng, Tensor)
        self.rng.set_state(rng)
