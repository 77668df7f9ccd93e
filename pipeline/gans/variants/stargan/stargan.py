"""StarGAN v2: Choi et al., "StarGAN v2: Diverse Image Synthesis for Multiple Domains" (2020).

One generator serves all directions between the domains, which are the classes of the data. It takes an image and a
style, which says how the image changes. The mapping network draws styles of a domain from latents, and the style
encoder reads them from examples. The discriminator has one real-or-fake logit for each domain, and no classifier, which
stripes would satisfy.

Differences from the authors' code: All networks share one learning rate, where the mapping network has a hundredth. The
generator ends in tanh. There is no face alignment and no high-pass path. `bypass: none` lets styles exchange bright
and dark, and `bypass: image` only changes the image. Any one-to-one map between the domains satisfies the cycle
consistency loss, so `weights.structure` can tie a translation to its input.
"""

from collections.abc import Mapping
from itertools import permutations

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, softplus

from pipeline.gans.base import GAN, Batch, Direction, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.penalties import zero_centred_penalty
from pipeline.gans.networks.layers import count_doublings
from pipeline.gans.variants.stargan.self_similarity import structure_loss
from pipeline.gans.variants.stargan.settings import StarGANSettings
from pipeline.gans.variants.stargan.stargan_networks import (
    LAST_SIDE,
    DomainEncoder,
    Generator,
    LatentTranslator,
    MappingNetwork,
    ReferenceTranslator,
    widths_down,
)
from pipeline.items import DOMAINS, ItemSpec

COLLAPSE_ADVICE = "raise model.weights.cycle, or lower train.learning_rate"


class StarGAN(GAN):
    """All directions between the classes; `styles` is the style encoder."""

    task = "translate"
    view = View("classes")
    ema_networks = ("generator", "mapping", "styles")
    preview_examples = 8
    advice: Mapping[str, str] = {
        "complete mode collapse": COLLAPSE_ADVICE,
        "mode collapse": COLLAPSE_ADVICE,
        "vanishing gradients": "raise model.r1, or lower train.learning_rate.discriminator",
        "divergence": "raise model.r1, lower train.learning_rate, or set train.precision float32",
    }

    def __init__(self, settings: StarGANSettings, item: ItemSpec) -> None:
        super().__init__()
        self.settings, self.latent, self.domains = settings, settings.latent, len(item.classes)
        channels, most = item.network_channels, settings.max_channels
        self.shape = (channels, item.height, item.width)
        halvings = count_doublings(LAST_SIDE, item.height)
        self.generator = Generator(
            channels,
            widths_down(settings.generator_channels, settings.downsamplings, most),
            settings.blocks,
            settings.style,
            bypass=settings.bypass,
        )
        self.mapping = MappingNetwork(settings.latent, settings.mapping_width, settings.style, self.domains)
        self.styles = DomainEncoder(
            channels, widths_down(settings.style_channels, halvings, most), settings.style, self.domains
        )
        self.discriminator = DomainEncoder(
            channels, widths_down(settings.discriminator_channels, halvings, most), 1, self.domains
        )

    def phases(self) -> list[Phase]:
        """Return two updates of the discriminator and two of the generator: with styles of latents, and of examples."""
        networks = ("generator", "mapping", "styles")
        return [
            Phase("discriminator", ("discriminator",), self.latent_discriminator_loss, "discriminator"),
            Phase("discriminator_example", ("discriminator",), self.example_discriminator_loss, "discriminator"),
            Phase("generator", networks, self.latent_generator_loss, "generator"),
            Phase("generator_example", ("generator",), self.example_generator_loss, "generator"),
        ]

    def latent_discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the discriminator's loss on translations with styles of latents."""
        with torch.no_grad():
            fake = self.generator(batch["item"], self.mapping(self.draw_latents(batch["item"], rng), batch["target"]))
        return self.discriminator_loss(batch, fake, progress)

    def example_discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the discriminator's loss on translations with styles of examples."""
        with torch.no_grad():
            fake = self.generator(batch["item"], self.styles(batch["reference"], batch["target"]))
        return self.discriminator_loss(batch, fake, progress)

    def discriminator_loss(self, batch: Batch, fake: Tensor, progress: Progress) -> Loss:
        """Return eq. 1 for the discriminator with the R1 penalty (Mescheder 2018): the logit of each image's domain."""
        penalised = progress.active(self.settings.r1)
        real = batch["item"].detach().requires_grad_(penalised)
        x = self.discriminator(real, batch["label"]).squeeze(1)
        y = self.discriminator(fake, batch["target"]).squeeze(1)
        loss = softplus(-x).mean() + softplus(y).mean()
        terms = {
            "loss_discriminator": loss,
            "d_real": x.mean(),
            "d_fake": y.mean(),
            "d_accuracy": (x > y).float().mean(),
        }
        if not penalised:
            return Loss(loss, terms)
        terms["r1"] = zero_centred_penalty(x, real)
        return Loss(loss + progress.weight(self.settings.r1) / 2 * terms["r1"], terms)

    def latent_generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the full objective (eq. 5) with styles of latents."""
        z, other = (self.draw_latents(batch["item"], rng) for _ in range(2))
        style, second = self.mapping(z, batch["target"]), self.mapping(other, batch["target"])
        return self.generator_loss(batch, style, second, progress)

    def example_generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the full objective with styles of examples; the style encoder is not updated."""
        with torch.no_grad():
            style, second = (self.styles(batch[name], batch["target"]) for name in ("reference", "other_reference"))
        loss = self.generator_loss(batch, style, second, progress)
        return Loss(loss.total, {f"{name}_example": value for name, value in loss.terms.items()})

    def generator_loss(self, batch: Batch, style: Tensor, second: Tensor, progress: Progress) -> Loss:
        """Return eq. 5 for translations in a style, and in a second one whose result is taken as given."""
        images, target, weights = batch["item"], batch["target"], self.settings.weights
        fake = self.generator(images, style)
        terms = {
            "loss_adversarial": softplus(-self.discriminator(fake, target)).mean(),
            # The style encoder should read the style that was asked for (eq. 2).
            "loss_style": l1_loss(self.styles(fake, target), style),
            # With its own style, the translation should become the input again (eq. 4).
            "loss_cycle": l1_loss(self.generator(fake, self.styles(images, batch["label"])), images),
        }
        total = (
            weights.adversarial * terms["loss_adversarial"]
            + weights.style * terms["loss_style"]
            + weights.cycle * terms["loss_cycle"]
        )
        if progress.active(weights.structure):
            terms["loss_structure"] = structure_loss(fake, images)
            total = total + progress.weight(weights.structure) * terms["loss_structure"]
        if progress.active(weights.diversity):
            # Two styles should give different images (eq. 3).
            with torch.no_grad():
                other = self.generator(images, second)
            terms["loss_diversity"] = l1_loss(fake, other)
            total = total - progress.weight(weights.diversity) * terms["loss_diversity"]
        return Loss(total, {"loss_generator": total} | terms)

    def draw_latents(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Draw a latent for each image, on the images' device."""
        return torch.randn(len(images), self.latent, generator=rng, device=images.device)

    def directions(self) -> Mapping[str, Direction]:
        """Return the directions between each two classes, which are the domains a, b, c ... in their order."""
        return {
            f"{source}_to_{target}": Direction(source, target, inverse=f"{target}_to_{source}", multimodal=True)
            for source, target in permutations(DOMAINS[: self.domains], 2)
        }

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Translate the condition `item` to the classes `label`, in the styles `z`; each is random if not given."""
        images, label, z = conditions["item"].to(self.device), conditions.get("label"), conditions.get("z")
        label = torch.randint(self.domains, (len(images),), generator=rng) if label is None else label
        z = torch.randn(len(images), self.latent, generator=rng) if z is None else z
        translated: Tensor = self.generator(images, self.mapping(z.to(self.device), label.to(self.device)))
        return translated

    def translate(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """Translate images [n, C, H, W] in [-1, 1], each in a random style."""
        z = torch.randn(len(images), self.latent, generator=rng).to(self.device)
        translated: Tensor = self.generator(images, self.mapping(z, self.label(direction, images, target=True)))
        return translated

    def translate_like(self, images: Tensor, examples: Tensor, direction: str) -> Tensor:
        """Translate images in the styles of examples of the target domain."""
        style = self.styles(examples, self.label(direction, examples, target=True))
        translated: Tensor = self.generator(images, style)
        return translated

    def reconstruct(self, translated: Tensor, originals: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """Translate back in the originals' own styles, as in the cycle consistency loss."""
        style = self.styles(originals, self.label(direction, originals, target=False))
        back: Tensor = self.generator(translated, style)
        return back

    def map_identity(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """Translate images of the target domain in their own styles."""
        same: Tensor = self.generator(images, self.styles(images, self.label(direction, images, target=True)))
        return same

    def label(self, direction: str, images: Tensor, *, target: bool) -> Tensor:
        """Return the class of a direction's target or source, int64 [n]."""
        way = self.directions()[direction]
        number = DOMAINS.index(way.target if target else way.source)
        return torch.full((len(images),), number, device=self.device)

    @property
    def preview_columns(self) -> int:  # type: ignore[override]
        """Images in a row of the preview: the input, and its translation to each class."""
        return 1 + self.domains

    @torch.no_grad()
    def preview(self, n: int, rng: torch.Generator, examples: Batch) -> Tensor:
        """Return one row per example: the input, and its translation to each class in one random style."""
        images = examples["item"]
        z = torch.randn(len(images), self.latent, generator=rng).to(self.device)
        labels = (torch.full((len(images),), number, device=self.device) for number in range(self.domains))
        columns = [images, *(self.generator(images, self.mapping(z, label)) for label in labels)]
        return torch.stack(columns, dim=1).flatten(0, 1)

    @property
    def device(self) -> torch.device:
        """The device of the networks."""
        return next(self.generator.parameters()).device

    def export(self) -> list[ExportSpec]:
        """Return the generator with a class and a latent, and with a class and an example of it."""
        image = torch.zeros(2, *self.shape)
        inputs = {"item": image, "label": torch.zeros(2, dtype=torch.int64)}
        drawn = inputs | {"z": torch.zeros(2, self.latent)}
        example = inputs | {"reference": image.clone()}
        return [
            ExportSpec("generator", LatentTranslator(self.generator, self.mapping), drawn, ("items",)),
            ExportSpec("example", ReferenceTranslator(self.generator, self.styles), example, ("items",)),
        ]
