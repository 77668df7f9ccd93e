"""The game of super-resolution and denoising: a generator maps a degraded image to a clean one.

Training has two parts. The first uses the pixel loss alone (Ledig 2017, section 3.2). After the fraction `pretraining`
of the schedule, the loss is the sum of a pixel, a feature and an adversarial loss. Features are VGG19's conv5_4 before
the activation (Wang 2018, ESRGAN) if its weights are given, else the discriminator's own (feature matching, Salimans
2016; Wang 2018, pix2pixHD, eq. 4).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss, mse_loss

from pipeline.gans.base import GAN, Batch, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.objectives import OBJECTIVES
from pipeline.gans.game.penalties import zero_centred_penalty
from pipeline.gans.game.restoration_settings import RestorationSettings
from pipeline.gans.networks.vgg import VGG19, load_vgg19

PIXEL_LOSSES = {"l1": l1_loss, "l2": mse_loss}


class Restoration(GAN):
    """A restoring generator and its discriminator.

    Args:
        settings: Losses and their weights.
        view: View of the data with "input" (degraded) and "target" (clean).
        shape: Channels and side of the generator's inputs in training.
        generator: Degraded images -> restored images.
        discriminator: Images -> logits, with `features` and `logits_from_features`; None without adversarial training.
    """

    task = "restore"
    preview_examples = 12
    preview_columns = 3
    advice: Mapping[str, str] = {
        "vanishing gradients": "lower train.learning_rate.discriminator, raise model.r1, or lower "
        "model.weights.adversarial",
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
        super().__init__()
        self.settings, self.view, self.shape = settings, view, shape
        self.objective, self.pixel_loss = OBJECTIVES[settings.objective], PIXEL_LOSSES[settings.pixel]
        self.generator = generator
        if discriminator is not None:
            self.discriminator = discriminator
        self.vgg: list[VGG19] = []  # in a list, because VGG19 is neither trained nor saved with the model

    def phases(self) -> list[Phase]:
        """Return the updates of one step; the discriminator starts after pretraining."""
        generator = Phase("generator", ("generator",), self.generator_loss, "generator")
        if not hasattr(self, "discriminator"):
            return [generator]
        discriminator = Phase(
            "discriminator",
            ("discriminator",),
            self.discriminator_loss,
            "discriminator",
            start=self.settings.pretraining,
        )
        return [discriminator, generator]

    def is_adversarial(self, progress: Progress) -> bool:
        """Return whether pretraining is over."""
        return hasattr(self, "discriminator") and progress.reached(self.settings.pretraining)

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the objective on clean and restored images, with R1 if configured."""
        real = batch["target"]
        with torch.no_grad():
            fake = self.generator(batch["input"]).float()
        gamma = self.settings.r1
        real_logits = self.discriminator(real.requires_grad_(gamma > 0)).float()
        fake_logits = self.discriminator(fake).float()
        total = self.objective.discriminator(real_logits, fake_logits, 0.0)
        terms = {
            "loss_discriminator": total,
            "d_real": real_logits.sigmoid().mean(),
            "d_fake": fake_logits.sigmoid().mean(),
            "d_accuracy": (real_logits > fake_logits).float().mean(),
        }
        if gamma > 0:
            terms["r1"] = zero_centred_penalty(real_logits, real)
            total = total + gamma / 2 * terms["r1"]
        return Loss(total, terms)

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the pixel loss in pretraining, then the weighted sum of pixel, feature and adversarial loss."""
        clean, restored = batch["target"], self.generator(batch["input"]).float()
        pixel = self.pixel_loss(restored, clean)
        if not self.is_adversarial(progress):
            return Loss(pixel, {"loss_generator": pixel, "loss_pixel": pixel})
        weights = self.settings.weights
        fake_features = self.discriminator.features(restored)
        with torch.no_grad():
            real_features = self.discriminator.features(clean)
            real_logits = self.discriminator.logits_from_features(real_features[-1]).float()
        if self.settings.vgg:
            perceptual = self.vgg_loss(restored, clean)
        else:
            perceptual = feature_matching_loss(fake_features, real_features)
        fake_logits = self.discriminator.logits_from_features(fake_features[-1]).float()
        adversarial = self.objective.generator(real_logits, fake_logits)
        total = weights.pixel * pixel + weights.perceptual * perceptual + weights.adversarial * adversarial
        terms = {"loss_pixel": pixel, "loss_perceptual": perceptual, "loss_adversarial": adversarial}
        return Loss(total, {"loss_generator": total} | terms)

    def vgg_loss(self, restored: Tensor, clean: Tensor) -> Tensor:
        """Return L1 between VGG19 features. The weights are read on first use.

        Raises:
            InputError: The weights file is missing or not VGG19's.
        """
        if not self.vgg:
            self.vgg.append(load_vgg19(Path(self.settings.vgg or "")).to(restored.device))
        network = self.vgg[0]
        with torch.no_grad():
            clean_features = network(clean)
        return l1_loss(network(restored).float(), clean_features.float())

    @torch.no_grad()
    def distances(self, outputs: Tensor, targets: Tensor) -> Mapping[str, float]:
        """Return `perceptual`, the VGG19 loss, if its weights are given."""
        return {"perceptual": float(self.vgg_loss(outputs, targets))} if self.settings.vgg else {}

    def selection_metric(self, progress: Progress) -> str:
        """Select by the pixel error in pretraining, then by the Fréchet distance."""
        return "fid" if self.is_adversarial(progress) else "rmse"

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Restore the degraded images of the condition `image`."""
        images: Tensor = self.generator(conditions["item"].to(next(self.generator.parameters()).device))
        return images.float()

    def preview(self, n: int, rng: torch.Generator, examples: Batch) -> Tensor:
        """Return one row per example: degraded, restored, clean."""
        restored = self.sample(n, rng, item=examples["input"])
        degraded = interpolate(examples["input"], restored.shape[2:], mode="nearest")
        return torch.stack([degraded, restored, examples["target"]], dim=1).flatten(0, 1)

    def export(self) -> list[ExportSpec]:
        """Return the generator, for images of any height and width."""
        channels, side = self.shape
        example = {"item": torch.zeros(2, channels, side, side)}
        return [ExportSpec("generator", self.generator, example, ("items",), multiple=1)]


def feature_matching_loss(fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """Return L1 between the discriminator's feature maps, averaged over its layers."""
    return torch.stack([l1_loss(f.float(), r.float()) for f, r in zip(fake, real, strict=True)]).mean()
