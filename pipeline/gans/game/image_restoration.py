"""What super-resolution and denoising share: a generator that turns a degraded image into a clean one, in two parts of one training.

First the distance of the pixels alone (Ledig 2017, section 3.2); from the share `pretraining` of the schedule on that distance, the
distance of features, and the discriminator. Features are VGG19's conv5_4 before the rectifier (Wang 2018) where the user has the
weights, else those of the discriminator itself (feature matching, Salimans 2016; Wang 2018, "pix2pixHD", eq. 4).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss, mse_loss

from pipeline.gans.base import GAN, Batch, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.objectives import OBJECTIVES
from pipeline.gans.game.penalties import zero_centred
from pipeline.gans.game.restoration_settings import RestorationSettings
from pipeline.gans.networks import vgg

PIXEL = {"l1": l1_loss, "l2": mse_loss}


class Restoration(GAN):
    """`discriminator` is None where there is no adversarial part."""

    task = "restore"
    preview_examples = 12
    preview_columns = 3
    advice: Mapping[str, str] = {
        "vanishing gradients": "lower train.learning_rate.discriminator, raise model.r1, or lower model.weights.adversarial",
        "divergence": "lower train.learning_rate, raise model.weights.pixel, or set train.precision float32",
    }
    discriminator: Any

    def __init__(
        self,
        settings: RestorationSettings,
        view: View,
        shape: tuple[int, int],
        generator: nn.Module,
        discriminator: nn.Module | None,
    ) -> None:
        """`shape` is channels and side of what the generator takes in training."""
        super().__init__()
        self.settings, self.view, self.shape = settings, view, shape
        self.objective, self.pixel = OBJECTIVES[settings.objective], PIXEL[settings.pixel]
        self.generator = generator
        if discriminator is not None:
            self.discriminator = discriminator
        self.vgg: list[vgg.VGG19] = []  # in a list: no network of the model, nothing to save

    def phases(self) -> list[Phase]:
        create = Phase("generator", ("generator",), self.generator_loss, "generator")
        if not hasattr(self, "discriminator"):
            return [create]
        return [
            Phase(
                "discriminator",
                ("discriminator",),
                self.discriminator_loss,
                "discriminator",
                start=self.settings.pretraining,
            ),
            create,
        ]

    def adversarial(self, progress: Progress) -> bool:
        """Whether the second part has begun."""
        return hasattr(self, "discriminator") and progress.fraction >= self.settings.pretraining

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        real = batch["target"]
        with torch.no_grad():
            fake = self.generator(batch["input"]).float()
        gamma = self.settings.r1
        real_logits, fake_logits = (
            self.discriminator(real.requires_grad_(gamma > 0)).float(),
            self.discriminator(fake).float(),
        )
        total = self.objective.discriminator(real_logits, fake_logits, 0.0)
        terms = {
            "loss_discriminator": total,
            "d_real": real_logits.sigmoid().mean(),
            "d_fake": fake_logits.sigmoid().mean(),
            "d_accuracy": (real_logits > fake_logits).float().mean(),
        }
        if gamma > 0:
            terms["r1"] = zero_centred(real_logits, real)
            total = total + gamma / 2 * terms["r1"]
        return Loss(total, terms)

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        clean, made = batch["target"], self.generator(batch["input"]).float()
        pixel = self.pixel(made, clean)
        if not self.adversarial(progress):
            return Loss(pixel, {"loss_generator": pixel, "loss_pixel": pixel})
        weights = self.settings.weights
        maps = self.discriminator.features(made)
        with torch.no_grad():
            wanted = self.discriminator.features(clean)
            real_logits = self.discriminator.verdict(wanted[-1]).float()
        perceptual = self.perceptual(made, clean) if self.settings.vgg else matching(maps, wanted)
        game = self.objective.generator(real_logits, self.discriminator.verdict(maps[-1]).float())
        total = weights.pixel * pixel + weights.perceptual * perceptual + weights.adversarial * game
        return Loss(
            total,
            {"loss_generator": total, "loss_pixel": pixel, "loss_perceptual": perceptual, "loss_adversarial": game},
        )

    def perceptual(self, made: Tensor, clean: Tensor) -> Tensor:
        """L1 between VGG19's features; its weights are read when they are first needed."""
        if not self.vgg:
            self.vgg.append(vgg.load(Path(self.settings.vgg or "")).to(made.device))
        network = self.vgg[0]
        with torch.no_grad():
            wanted = network(clean)
        return l1_loss(network(made).float(), wanted.float())

    @torch.no_grad()
    def distances(self, made: Tensor, wanted: Tensor) -> Mapping[str, float]:
        """`perceptual`, where there are weights for it."""
        return {"perceptual": float(self.perceptual(made, wanted))} if self.settings.vgg else {}

    def selection_metric(self, progress: Progress) -> str:
        """Nearest to the pixels in the first part, most like real images in the second."""
        return "fid" if self.adversarial(progress) else "rmse"

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        images: Tensor = self.generator(conditions["image"].to(next(self.generator.parameters()).device))
        return images.float()

    def preview(self, n: int, rng: torch.Generator, examples: Batch) -> Tensor:
        """A row for each example: what was given, what became of it, what it should be."""
        made = self.sample(n, rng, image=examples["input"])
        given = interpolate(examples["input"], made.shape[2:], mode="nearest")
        return torch.stack([given, made, examples["target"]], dim=1).flatten(0, 1)

    def export(self) -> list[ExportSpec]:
        """Any height and width."""
        channels, side = self.shape
        return [
            ExportSpec(
                "generator", self.generator, {"image": torch.zeros(2, channels, side, side)}, ("images",), multiple=1
            )
        ]


def matching(made: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """L1 between the discriminator's maps, averaged over its layers."""
    return torch.stack(
        [l1_loss(ours.float(), theirs.float()) for ours, theirs in zip(made, wanted, strict=True)]
    ).mean()
