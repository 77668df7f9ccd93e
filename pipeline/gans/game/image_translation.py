"""What pix2pix, CycleGAN and DRIT share: patches judged by an objective, and how a person is shown what becomes of pictures."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline.gans.base import GAN, Batch, View
from pipeline.gans.game.objectives import OBJECTIVES
from pipeline.gans.game.translation_settings import TranslationSettings
from pipeline.gans.networks.patchgan import Norm, PatchDiscriminator
from pipeline.items import ItemSpec

COLLAPSED = "lower train.learning_rate, or raise what holds a translation to its picture: model.weights.l1, cycle or cross_cycle"
STYLES = 3  # that a preview shows of one picture


class Translation(GAN):
    """`shape` is channels and side of the pictures in training."""

    task = "translate"
    preview_examples = 8
    advice: Mapping[str, str] = {
        "complete mode collapse": COLLAPSED,
        "mode collapse": COLLAPSED,
        "vanishing gradients": "lower train.learning_rate.discriminator or model.discriminator_layers, or set model.objective lsgan",
        "divergence": "lower train.learning_rate or model.weights.adversarial, or set train.precision float32",
    }

    def __init__(self, settings: TranslationSettings, item: ItemSpec, view: View) -> None:
        super().__init__()
        self.view = view
        self.shape = (item.network_channels, item.height)
        self.objective = OBJECTIVES[settings.objective]

    @property
    def preview_columns(self) -> int:  # type: ignore[override]
        """Of a preview: for each direction a picture, what becomes of it, and that taken back or the partner."""
        return sum(2 + (STYLES if way.multimodal else 1) for way in self.directions().values())

    def judge(self, discriminator: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The discriminator's loss, and what is told of it."""
        x, y = discriminator(real).float(), discriminator(fake).float()
        loss = self.objective.discriminator(x, y, 0.0)
        return loss, {
            "loss_discriminator": loss,
            "d_real": x.mean(),
            "d_fake": y.mean(),
            "d_accuracy": (x > y).float().mean(),
        }

    def fool(self, discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """The generator's loss; real pictures matter only where the objective compares with them."""
        y = discriminator(fake).float()
        if not self.objective.paired:
            return self.objective.generator(y, y)
        with torch.no_grad():
            x = discriminator(real).float()
        return self.objective.generator(x, y)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        images = conditions["image"].to(next(self.parameters()).device)
        return self.translate(images, next(iter(self.directions())), rng)

    @torch.no_grad()
    def preview(self, n: int, rng: torch.Generator, examples: Batch) -> Tensor:
        """A row for each example."""
        columns = []
        for name, way in self.directions().items():
            given = examples[way.source]
            made = [self.translate(given, name, rng) for _ in range(STYLES if way.multimodal else 1)]
            columns += [
                given,
                *made,
                self.reconstruct(made[-1], given, name, rng) if way.inverse else examples[way.target],
            ]
        return torch.stack(columns, dim=1).flatten(0, 1)


def patches(settings: TranslationSettings, channels: int, norm: Norm) -> PatchDiscriminator:
    return PatchDiscriminator(channels, settings.discriminator_channels, settings.discriminator_layers, norm)


def both(losses: Mapping[str, tuple[Tensor, dict[str, Tensor]]]) -> tuple[Tensor, dict[str, Tensor]]:
    """The sum of several discriminators' losses, and the means of what is told of them."""
    told = [terms for _, terms in losses.values()]
    total = torch.stack([loss for loss, _ in losses.values()]).sum()
    return total, {name: torch.stack([terms[name] for terms in told]).mean() for name in told[0]}
