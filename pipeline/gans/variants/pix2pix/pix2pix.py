"""pix2pix: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (2017).

A U-Net learns from pairs what becomes of a picture: near to its partner in the pixels (L1), and, patch by patch, such that a
discriminator who sees both cannot tell the two apart.

The paper's only noise is dropout, which it leaves on when the generator is used, and finds that it changes the picture little. Here it
is on in training alone: what is delivered gives the same picture the same answer, and batch normalisation uses what it has learnt.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from pipeline.gans.base import Batch, Direction, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.image_translation import Translation, patches
from pipeline.gans.networks.unet import UNet
from pipeline.gans.variants.pix2pix.settings import Pix2PixSettings
from pipeline.items import ItemSpec


class Pix2Pix(Translation):
    """One direction, from pairs."""

    def __init__(self, settings: Pix2PixSettings, item: ItemSpec) -> None:
        super().__init__(settings, item, View("paired"))
        self.settings = settings
        self.way = Direction("a", "b") if settings.direction == "a_to_b" else Direction("b", "a")
        self.generator = UNet(item.network_channels, settings.generator_channels, item.height, settings.dropout)
        self.discriminator = patches(settings, 2 * item.network_channels, "batch")

    def phases(self) -> list[Phase]:
        return [
            Phase("discriminator", ("discriminator",), self.discriminator_loss, "discriminator"),
            Phase("generator", ("generator",), self.generator_loss, "generator"),
        ]

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        given, wanted = batch[self.way.source], batch[self.way.target]
        with torch.no_grad():
            made = self.generator(given).float()
        return Loss(*self.judge(self.discriminator, torch.cat([given, wanted], dim=1), torch.cat([given, made], dim=1)))

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Eq. 4: to fool the discriminator, and 100 times L1."""
        given, wanted = batch[self.way.source], batch[self.way.target]
        made, weights = self.generator(given).float(), self.settings.weights
        game = self.fool(self.discriminator, torch.cat([given, wanted], dim=1), torch.cat([given, made], dim=1))
        pixel = l1_loss(made, wanted)
        total = weights.adversarial * game + weights.l1 * pixel
        return Loss(total, {"loss_generator": total, "loss_adversarial": game, "loss_pixel": pixel})

    def directions(self) -> Mapping[str, Direction]:
        return {self.settings.direction: self.way}

    def translate(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        made: Tensor = self.generator(images)
        return made.float()

    def export(self) -> list[ExportSpec]:
        """Any height and width that the U-Net can halve to its middle."""
        example = {"image": torch.zeros(2, self.shape[0], self.generator.multiple, self.generator.multiple)}
        return [ExportSpec("generator", self.generator, example, ("images",), multiple=self.generator.multiple)]
