"""The game of image-to-image translation: PatchGAN discriminators, and the preview of pix2pix, CycleGAN and DRIT."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline.gans.base import GAN, Batch, Loss, View
from pipeline.gans.game.objectives import OBJECTIVES
from pipeline.gans.game.translation_settings import TranslationSettings
from pipeline.gans.networks.patchgan import Norm, PatchDiscriminator
from pipeline.items import ItemSpec

COLLAPSE_ADVICE = (
    "lower train.learning_rate, or raise the weight that ties a translation to its input: model.weights.l1, cycle or "
    "cross_cycle"
)
PREVIEW_STYLES = 3
"""Translations of one image that a preview shows, for multimodal directions."""


class Translation(GAN):
    """Generators that translate between the domains a and b, and PatchGAN discriminators.

    Args:
        settings: The objective.
        item: Shape of the images in training.
        view: View of the data with "a" and "b".
    """

    task = "translate"
    preview_examples = 8
    advice: Mapping[str, str] = {
        "complete mode collapse": COLLAPSE_ADVICE,
        "mode collapse": COLLAPSE_ADVICE,
        "vanishing gradients": "lower train.learning_rate.discriminator or model.discriminator_layers, or set "
        "model.objective lsgan",
        "divergence": "lower train.learning_rate or model.weights.adversarial, or set train.precision float32",
    }

    def __init__(self, settings: TranslationSettings, item: ItemSpec, view: View) -> None:
        super().__init__()
        self.view = view
        self.shape = (item.network_channels, item.height)
        self.objective = OBJECTIVES[settings.objective]

    @property
    def preview_columns(self) -> int:  # type: ignore[override]
        """Images in a row: for each direction the input, its translations, and the reconstruction or the target."""
        return sum(2 + (PREVIEW_STYLES if way.multimodal else 1) for way in self.directions().values())

    def discriminator_objective(self, discriminator: nn.Module, real: Tensor, fake: Tensor) -> Loss:
        """Return the loss of one discriminator."""
        x, y = discriminator(real).float(), discriminator(fake).float()
        loss = self.objective.discriminator(x, y, 0.0)
        return Loss(
            loss,
            {
                "loss_discriminator": loss,
                "d_real": x.mean(),
                "d_fake": y.mean(),
                "d_accuracy": (x > y).float().mean(),
            },
        )

    def generator_objective(self, discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """Return the adversarial loss of a generator; `real` is used only by objectives that pair it with `fake`."""
        y = discriminator(fake).float()
        if not self.objective.paired:
            return self.objective.generator(y, y)
        with torch.no_grad():
            x = discriminator(real).float()
        return self.objective.generator(x, y)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Translate the condition `image` in the first direction."""
        images = conditions["item"].to(next(self.parameters()).device)
        return self.translate(images, next(iter(self.directions())), rng)

    @torch.no_grad()
    def preview(self, n: int, rng: torch.Generator, examples: Batch) -> Tensor:
        """Return one row per example: for each direction the input, its translations, the reconstruction or target."""
        columns = []
        for name, way in self.directions().items():
            inputs = examples[way.source]
            translated = [self.translate(inputs, name, rng) for _ in range(PREVIEW_STYLES if way.multimodal else 1)]
            columns += [inputs, *translated]
            columns.append(self.reconstruct(translated[-1], inputs, name, rng) if way.inverse else examples[way.target])
        return torch.stack(columns, dim=1).flatten(0, 1)


def patch_discriminator(settings: TranslationSettings, channels: int, norm: Norm) -> PatchDiscriminator:
    """Build a PatchGAN discriminator of the configured size."""
    return PatchDiscriminator(channels, settings.discriminator_channels, settings.discriminator_layers, norm)


def sum_losses(losses: list[Loss]) -> Loss:
    """Sum the losses of several discriminators; their terms are averaged."""
    total = torch.stack([loss.total for loss in losses]).sum()
    return Loss(total, {name: torch.stack([loss.terms[name] for loss in losses]).mean() for name in losses[0].terms})
