"""MuseGAN from a given track: Dong, Hsiao, Yang and Yang, "MuseGAN" (2018), "Track-conditional Generation".

An encoder of the given track makes a feature vector of each bar, which the generators of the other tracks take next to
z. Here one layer encodes the given voices or tracks of the whole piece for the shared network, next to z, and another
one those of each step for the latent vector of that step. The discriminator sees whole pieces: real ones, and given
tracks with the accompaniment that was made for them. An accompaniment that ignores what is given then sounds wrong
together with it.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline.gans.base import Batch, ExportSpec, Loss, Progress, View
from pipeline.gans.variants.accompaniment.settings import AccompanimentSettings
from pipeline.gans.variants.musegan.forms import form_of
from pipeline.gans.variants.musegan.musegan import Discriminator
from pipeline.gans.variants.musegan.piece_game import PieceGame
from pipeline.gans.variants.musegan.temporal import TemporalGenerator
from pipeline.items import ItemSpec


class Accompanist(TemporalGenerator):
    """z [B, latent + 8 * steps + noise] and pieces [B, C', H, W] -> pieces in the same shape.

    Of the pieces only the given voices or tracks are read, which the result has unchanged.
    """

    def __init__(self, settings: AccompanimentSettings, item: ItemSpec) -> None:
        super().__init__(settings, item, settings.private, settings.given)
        heard = settings.given * form_of(item).features
        self.overview = nn.Sequential(nn.Linear(item.height * heard, settings.private), nn.ReLU())
        self.listen = nn.Linear(heard, settings.private)

    def forward(self, z: Tensor, item: Tensor) -> Tensor:  # type: ignore[override]
        given = self.form.read(item)[..., : self.given]
        return self.form.write(self.play(self.features(z, item), z[:, self.latent :], given), self.training)

    def features(self, z: Tensor, item: Tensor | None = None) -> Tensor:
        """Return what each step is made from, given the first voices of pieces [B, C', H, W]."""
        assert item is not None
        heard = self.form.read(item)[..., : self.given].permute(0, 2, 3, 1).flatten(2)
        return self.arrange(self.plan(z, self.overview(heard.flatten(1))) + self.listen(heard))


class Accompaniment(PieceGame):
    """An accompanist against a discriminator of whole pieces."""

    task = "restore"
    preview_examples = 8
    preview_columns = 3
    advice: Mapping[str, str] = {
        "vanishing gradients": "raise model.penalties r1 and r2, or lower train.learning_rate.discriminator",
        "mode collapse": "set model.choice: gumbel, or raise model.penalties r1 and r2",
        "complete mode collapse": "set model.choice: gumbel, or raise model.penalties r1 and r2",
    }

    def __init__(self, settings: AccompanimentSettings, item: ItemSpec) -> None:
        generator = Accompanist(settings, item)
        super().__init__(settings, generator, Discriminator(settings, item, temporal=True))
        self.view = View("degraded", {"given": settings.given})
        self.latent = generator.latent + generator.choice.noise
        self.shape = (item.network_channels, item.height, item.width)

    @property
    def condition(self) -> str:
        """The piece of which some voices are given, as `sample` and the exported graph take it."""
        return "item"

    def labels_of(self, batch: Batch) -> Tensor:
        """Return what the generator is given: pieces without the other voices."""
        return batch["input"]

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the loss of the discriminator on real and on accompanied pieces."""
        return super().discriminator_loss(as_items(batch), progress, rng)

    def regularisation_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the penalties at real and at accompanied pieces."""
        return super().regularisation_loss(as_items(batch), progress, rng)

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the loss of the accompanist."""
        return super().generator_loss(as_items(batch), progress, rng)

    def discriminate(self, images: Tensor, label: Tensor | None, progress: Progress, rng: torch.Generator) -> Tensor:
        """Return the logits of whole pieces, which hold what is given."""
        return super().discriminate(images, None, progress, rng)

    def score(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the logits of whole pieces, [n]."""
        return super().score(images)

    def evaluation_views(self) -> Mapping[str, View]:
        """Return the one trial: the given voices of held-out pieces."""
        return {"accompanied": self.view}

    def preview(self, n: int, rng: torch.Generator, examples: Batch) -> Tensor:
        """Return one row per example: what is given, accompanied, and the original."""
        made = self.sample(len(examples["input"]), rng, item=examples["input"])
        return torch.stack([examples["input"], made, examples["target"]], dim=1).flatten(0, 1)

    def export(self) -> list[ExportSpec]:
        """Return the accompanist."""
        inputs = {"z": torch.zeros(2, self.latent), "item": torch.zeros(2, *self.shape)}
        return [ExportSpec("generator", self.generator, inputs, ("items",))]


def as_items(batch: Batch) -> Batch:
    """Return a batch whose real pieces are called as in generation."""
    return {**batch, "item": batch["target"]}
