"""CycleGAN: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks" (2017).

Two generators, each the other's way back: what becomes of a picture must look like the other side to its discriminator, and lead back
to the picture. The halves of the schedule, the rate held and then falling to zero, are train.learning_rate's business.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from pipeline.gans.base import Batch, Direction, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.image_pool import ImagePool
from pipeline.gans.game.image_translation import Translation, both, patches
from pipeline.gans.networks.resnet_translator import MULTIPLE, Translator
from pipeline.gans.variants.cyclegan.settings import CycleGANSettings
from pipeline.items import ItemSpec

WAYS = {"a_to_b": Direction("a", "b", inverse="b_to_a"), "b_to_a": Direction("b", "a", inverse="a_to_b")}


class CycleGAN(Translation):
    """Both directions, from two domains."""

    ema_networks = ("generator_ab", "generator_ba")

    def __init__(self, settings: CycleGANSettings, item: ItemSpec) -> None:
        super().__init__(settings, item, View("domains"))
        self.settings = settings
        self.generator_ab, self.generator_ba = (
            Translator(item.network_channels, settings.generator_channels, settings.blocks) for _ in range(2)
        )
        self.discriminator_a, self.discriminator_b = (
            patches(settings, item.network_channels, "instance") for _ in range(2)
        )
        self.pool_a, self.pool_b = (ImagePool(settings.pool, *self.shape) for _ in range(2))

    def phases(self) -> list[Phase]:
        return [
            Phase("generator", ("generator_ab", "generator_ba"), self.generator_loss, "generator"),
            Phase("discriminator", ("discriminator_a", "discriminator_b"), self.discriminator_loss, "discriminator"),
        ]

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Eq. 3, with the identity loss of section 5.2."""
        a, b, weights = batch["a"], batch["b"], self.settings.weights
        made_b, made_a = self.generator_ab(a).float(), self.generator_ba(b).float()
        game = self.fool(self.discriminator_b, b, made_b) + self.fool(self.discriminator_a, a, made_a)
        cycle = l1_loss(self.generator_ba(made_b).float(), a) + l1_loss(self.generator_ab(made_a).float(), b)
        terms = {"loss_adversarial": game, "loss_cycle": cycle}
        total = weights.adversarial * game + weights.cycle * cycle
        if weights.identity:
            terms["loss_identity"] = l1_loss(self.generator_ab(b).float(), b) + l1_loss(self.generator_ba(a).float(), a)
            total = total + weights.identity * terms["loss_identity"]
        return Loss(total, {"loss_generator": total} | terms)

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """On real pictures, and on translations of now or, through the pools, of before."""
        with torch.no_grad():
            made_b, made_a = self.generator_ab(batch["a"]).float(), self.generator_ba(batch["b"]).float()
        fake_a, fake_b = self.pool_a.exchange(made_a, rng), self.pool_b.exchange(made_b, rng)
        judged = {
            "a": self.judge(self.discriminator_a, batch["a"], fake_a),
            "b": self.judge(self.discriminator_b, batch["b"], fake_b),
        }
        return Loss(*both(judged))

    def directions(self) -> Mapping[str, Direction]:
        return WAYS

    def translate(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        made: Tensor = (self.generator_ab if direction == "a_to_b" else self.generator_ba)(images)
        return made.float()

    def export(self) -> list[ExportSpec]:
        """`generator` from a to b, `reverse` from b to a; sides are multiples of 8."""
        example = {"image": torch.zeros(2, *self.shape[:1], self.shape[1], self.shape[1])}
        return [
            ExportSpec("generator", self.generator_ab, example, ("images",), multiple=MULTIPLE),
            ExportSpec("reverse", self.generator_ba, example, ("images",), multiple=MULTIPLE),
        ]
