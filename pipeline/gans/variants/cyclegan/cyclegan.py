"""CycleGAN: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks" (2017).

Two generators translate between two domains without pairs. A discriminator per domain makes translations look like the
domain, and cycle consistency makes each generator the inverse of the other. The paper's learning rate schedule,
constant and then falling linearly to zero, is `train.learning_rate`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from pipeline.gans.base import Batch, Direction, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.image_pool import ImagePool
from pipeline.gans.game.image_translation import Translation, patch_discriminator, sum_losses
from pipeline.gans.networks.resnet_generator import SIZE_MULTIPLE, ResnetGenerator
from pipeline.gans.variants.cyclegan.settings import CycleGANSettings
from pipeline.items import ItemSpec

DIRECTIONS = {"a_to_b": Direction("a", "b", inverse="b_to_a"), "b_to_a": Direction("b", "a", inverse="a_to_b")}


class CycleGAN(Translation):
    """Both directions, learned from two domains."""

    ema_networks = ("generator_ab", "generator_ba")

    def __init__(self, settings: CycleGANSettings, item: ItemSpec) -> None:
        super().__init__(settings, item, View("domains"))
        self.settings = settings
        channels = item.network_channels
        self.generator_ab, self.generator_ba = (
            ResnetGenerator(channels, settings.generator_channels, settings.blocks) for _ in range(2)
        )
        self.discriminator_a, self.discriminator_b = (
            patch_discriminator(settings, channels, "instance") for _ in range(2)
        )
        self.pool_a, self.pool_b = (ImagePool(settings.pool, *self.shape) for _ in range(2))

    def phases(self) -> list[Phase]:
        """Return one update of both generators and one of both discriminators."""
        return [
            Phase("generator", ("generator_ab", "generator_ba"), self.generator_loss, "generator"),
            Phase("discriminator", ("discriminator_a", "discriminator_b"), self.discriminator_loss, "discriminator"),
        ]

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return eq. 3 with the identity loss of section 5.2."""
        a, b, weights = batch["a"], batch["b"], self.settings.weights
        fake_b, fake_a = self.generator_ab(a).float(), self.generator_ba(b).float()
        adversarial = self.generator_objective(self.discriminator_b, b, fake_b) + self.generator_objective(
            self.discriminator_a, a, fake_a
        )
        cycle = l1_loss(self.generator_ba(fake_b).float(), a) + l1_loss(self.generator_ab(fake_a).float(), b)
        terms = {"loss_adversarial": adversarial, "loss_cycle": cycle}
        total = weights.adversarial * adversarial + weights.cycle * cycle
        if weights.identity:
            terms["loss_identity"] = l1_loss(self.generator_ab(b).float(), b) + l1_loss(self.generator_ba(a).float(), a)
            total = total + weights.identity * terms["loss_identity"]
        return Loss(total, {"loss_generator": total} | terms)

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the objective on real images, and on current and pooled translations."""
        with torch.no_grad():
            fake_b, fake_a = self.generator_ab(batch["a"]).float(), self.generator_ba(batch["b"]).float()
        pooled_a, pooled_b = self.pool_a.query(fake_a, rng), self.pool_b.query(fake_b, rng)
        return sum_losses(
            [
                self.discriminator_objective(self.discriminator_a, batch["a"], pooled_a),
                self.discriminator_objective(self.discriminator_b, batch["b"], pooled_b),
            ]
        )

    def directions(self) -> Mapping[str, Direction]:
        """Return both directions."""
        return DIRECTIONS

    def translate(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """Translate images [n, C, H, W] in [-1, 1]."""
        fake: Tensor = (self.generator_ab if direction == "a_to_b" else self.generator_ba)(images)
        return fake.float()

    def export(self) -> list[ExportSpec]:
        """Return `generator` (a to b) and `reverse` (b to a), for sides that are multiples of 8."""
        channels, side = self.shape
        example = {"item": torch.zeros(2, channels, side, side)}
        return [
            ExportSpec("generator", self.generator_ab, example, ("items",), multiple=SIZE_MULTIPLE),
            ExportSpec("reverse", self.generator_ba, example, ("items",), multiple=SIZE_MULTIPLE),
        ]
