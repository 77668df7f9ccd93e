"""pix2pix: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (2017).

A U-Net learns a translation from pairs. Its loss is L1 to the target plus an adversarial loss, for which a PatchGAN
discriminator sees the input together with the target or the translation.

The paper's only noise is dropout, also at test time, which changes the output little. Here dropout and batch statistics
are used in training only, so the exported model is deterministic.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from pipeline.gans.base import Batch, Direction, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.image_translation import Translation, patch_discriminator
from pipeline.gans.networks.unet import UNet
from pipeline.gans.variants.pix2pix.settings import Pix2PixSettings
from pipeline.items import ItemSpec


class Pix2Pix(Translation):
    """One direction, learned from pairs."""

    def __init__(self, settings: Pix2PixSettings, item: ItemSpec) -> None:
        super().__init__(settings, item, View("paired"))
        self.settings = settings
        self.direction = Direction("a", "b") if settings.direction == "a_to_b" else Direction("b", "a")
        self.generator = UNet(item.network_channels, settings.generator_channels, item.height, settings.dropout)
        self.discriminator = patch_discriminator(settings, 2 * item.network_channels, "batch")

    def phases(self) -> list[Phase]:
        """Return one discriminator update and one generator update."""
        return [
            Phase("discriminator", ("discriminator",), self.discriminator_loss, "discriminator"),
            Phase("generator", ("generator",), self.generator_loss, "generator"),
        ]

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the objective on (input, target) and (input, translation) pairs."""
        source, target = batch[self.direction.source], batch[self.direction.target]
        with torch.no_grad():
            fake = self.generator(source).float()
        real_pair, fake_pair = torch.cat([source, target], dim=1), torch.cat([source, fake], dim=1)
        return self.discriminator_objective(self.discriminator, real_pair, fake_pair)

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return eq. 4: the adversarial loss plus 100 times L1."""
        source, target = batch[self.direction.source], batch[self.direction.target]
        fake, weights = self.generator(source).float(), self.settings.weights
        real_pair, fake_pair = torch.cat([source, target], dim=1), torch.cat([source, fake], dim=1)
        adversarial = self.generator_objective(self.discriminator, real_pair, fake_pair)
        pixel = l1_loss(fake, target)
        total = weights.adversarial * adversarial + weights.l1 * pixel
        return Loss(total, {"loss_generator": total, "loss_adversarial": adversarial, "loss_pixel": pixel})

    def directions(self) -> Mapping[str, Direction]:
        """Return the configured direction."""
        return {self.settings.direction: self.direction}

    def translate(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """Translate images [n, C, H, W] in [-1, 1]."""
        fake: Tensor = self.generator(images)
        return fake.float()

    def export(self) -> list[ExportSpec]:
        """Return the generator, for sides that the U-Net can halve down to its bottleneck."""
        multiple = self.generator.multiple
        example = {"item": torch.zeros(2, self.shape[0], multiple, multiple)}
        return [ExportSpec("generator", self.generator, example, ("items",), multiple=multiple)]
