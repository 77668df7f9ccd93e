"""Configurations that fail in one of the ways GANs fail, and one that does not; on the built-in digits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.training.settings import TrainSettings

MODEL: Mapping[str, Any] = {
    "latent": 32,
    "generator_channels": 32,
    "discriminator_channels": 32,
    "max_channels": 64,
    "discriminator_norm": "none",
    "penalties": {"r1": 0.1},
}
TRAIN: Mapping[str, Any] = {
    "precision": "float32",
    "batch_size": 64,
    "total_images": 120_000,
    "learning_rate": {"generator": 4e-3, "discriminator": 4e-3},
    "beta1": 0.5,
    "beta2": 0.99,
    "ema_half_life": 5000,
    "log_images": 1280,
    "checkpoint_images": 1_000_000,
    "snapshot_images": 1_000_000,
}
HEALTH: Mapping[str, Any] = {"images": 4000, "samples": 1024}
UNPENALISED = {"penalties": {"r1": 0.0}}


@dataclass(frozen=True)
class Failing:
    """Changes to a configuration that works; `images` is the size of the training set, None for all."""

    title: str
    model: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    images: int | None = None

    def design(self) -> DCGANSettings:
        """Return the settings of the networks."""
        return DCGANSettings.model_validate({**MODEL, **self.model})

    def training(self, seed: int, response: str, total: int | None) -> TrainSettings:
        """Return the settings of the training loop."""
        changes = {**TRAIN, **self.train, "seed": seed, "health": {**HEALTH, "response": response}}
        return TrainSettings.model_validate(changes | ({"total_images": total} if total else {}))


def rates(generator: float, discriminator: float) -> dict[str, Any]:
    """Return learning rates as in params.yaml."""
    return {"learning_rate": {"generator": generator, "discriminator": discriminator}}


CASES = {
    "sane": Failing("nothing wrong"),
    "fast": Failing("learning rates fifty times too high", train=rates(2e-1, 2e-1)),
    "unregularised": Failing("no penalty, and momentum of 0.9", UNPENALISED, {**rates(5e-3, 5e-3), "beta1": 0.9}),
    "strong": Failing(
        "a discriminator too strong", {**UNPENALISED, "critic_steps": 4, "objective": "minimax"}, rates(2e-4, 4e-3)
    ),
    "tiny": Failing("forty training images", UNPENALISED, images=40),
}
