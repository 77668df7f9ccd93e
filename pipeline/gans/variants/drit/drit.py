"""DRIT: Lee et al., "Diverse Image-to-Image Translation via Disentangled Representations" (2018), and DRIT++ (2020).

A picture is parted into what it shows, from which its side cannot be told (content), and how it is painted (style, which is made to lie
like a standard normal). A translation is its content in a style of the other side: of an example, or drawn at random.

Each update computes anew what it differentiates. Departures: no noise is added to the content; the divergence of styles is a mean over
the batch, where the authors' code adds it up.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import l1_loss

from pipeline.gans.base import Batch, Direction, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.image_translation import Translation, both, patches
from pipeline.gans.networks.resnet_translator import MULTIPLE
from pipeline.gans.variants.drit.drit_networks import (
    ContentDiscriminator,
    Contents,
    Painters,
    ReadStyle,
    Styles,
    Translate,
)
from pipeline.gans.variants.drit.settings import DRITSettings
from pipeline.items import ItemSpec

WAYS = {
    "a_to_b": Direction("a", "b", inverse="b_to_a", multimodal=True),
    "b_to_a": Direction("b", "a", inverse="a_to_b", multimodal=True),
}
CREATORS = ("contents", "styles", "painters")
CONTENT_RATE, CONTENT_CLIP = 1 / 2.5, 5.0
LEAST = 1e-5  # that keeps the mode-seeking loss finite


class DRIT(Translation):
    """Both directions, from two domains, in as many styles as are drawn."""

    ema_networks = CREATORS

    def __init__(self, settings: DRITSettings, item: ItemSpec) -> None:
        super().__init__(settings, item, View("domains"))
        self.settings, self.latent = settings, settings.style
        channels, width = item.network_channels, settings.generator_channels
        self.contents = Contents(channels, width, settings.blocks)
        self.styles = Styles(channels, width, settings.style)
        self.painters = Painters(channels, width, settings.blocks, settings.style)
        # Of each side two: for pictures in an example's style, and in a random one.
        self.discriminator_a, self.discriminator_b, self.random_a, self.random_b = (
            patches(settings, channels, "none") for _ in range(4)
        )
        self.content_discriminator = ContentDiscriminator(4 * width)

    def phases(self) -> list[Phase]:
        content = Phase(
            "content",
            ("content_discriminator",),
            self.content_loss,
            "discriminator",
            lr_scale=CONTENT_RATE,
            clip=CONTENT_CLIP,
        )
        judges = ("discriminator_a", "discriminator_b", "random_a", "random_b")
        return [
            *[content] * self.settings.content_steps,
            Phase("discriminator", judges, self.discriminator_loss, "discriminator"),
            Phase("generator", CREATORS, self.generator_loss, "generator"),
            Phase("random", ("contents", "painters"), self.random_loss, "generator"),
        ]

    def content_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Section 3.2: which side a content is of."""
        with torch.no_grad():
            a, b = self.contents(batch["a"], "a"), self.contents(batch["b"], "b")
        x, y = self.content_discriminator(a), self.content_discriminator(b)
        total = cross_entropy(x, torch.zeros_like(x)) + cross_entropy(y, torch.ones_like(y))
        return Loss(total, {"loss_content_discriminator": total})

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        a, b = batch["a"], batch["b"]
        with torch.no_grad():
            content_a, content_b = self.contents(a, "a"), self.contents(b, "b")
            style_a, style_b = (drawn(self.styles(images, side), rng) for images, side in ((a, "a"), (b, "b")))
            random = self.random_style(a, rng)
            fakes = {
                "a": self.painters(content_b, style_a, "a"),
                "b": self.painters(content_a, style_b, "b"),
                "random_a": self.painters(content_b, random, "a"),
                "random_b": self.painters(content_a, random, "b"),
            }
        return Loss(
            *both(
                {
                    "a": self.judge(self.discriminator_a, a, fakes["a"]),
                    "b": self.judge(self.discriminator_b, b, fakes["b"]),
                    "random_a": self.judge(self.random_a, a, fakes["random_a"]),
                    "random_b": self.judge(self.random_b, b, fakes["random_b"]),
                }
            )
        )

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Eq. 8, but for what random styles are for: contents are exchanged, and exchanged again."""
        a, b, weights = batch["a"], batch["b"], self.settings.weights
        content_a, content_b = self.contents(a, "a"), self.contents(b, "b")
        parts_a, parts_b = self.styles(a, "a"), self.styles(b, "b")
        style_a, style_b = drawn(parts_a, rng), drawn(parts_b, rng)
        made_a, made_b = self.painters(content_b, style_a, "a"), self.painters(content_a, style_b, "b")
        own_a, own_b = self.painters(content_a, style_a, "a"), self.painters(content_b, style_b, "b")
        again_a = self.painters(self.contents(made_b, "b"), drawn(self.styles(made_a, "a"), rng), "a")
        again_b = self.painters(self.contents(made_a, "a"), drawn(self.styles(made_b, "b"), rng), "b")
        doubt_a, doubt_b = self.content_discriminator(content_a), self.content_discriminator(content_b)
        terms = {
            "loss_adversarial": self.fool(self.discriminator_a, a, made_a) + self.fool(self.discriminator_b, b, made_b),
            "loss_content": cross_entropy(doubt_a, torch.full_like(doubt_a, 0.5))
            + cross_entropy(doubt_b, torch.full_like(doubt_b, 0.5)),
            "loss_cycle": l1_loss(again_a, a) + l1_loss(again_b, b),
            "loss_reconstruction": l1_loss(own_a, a) + l1_loss(own_b, b),
            "loss_kl": divergence(parts_a) + divergence(parts_b),
            "loss_l2": content_a.float().square().mean() + content_b.float().square().mean(),
        }
        total = (
            weights.adversarial * terms["loss_adversarial"]
            + weights.content * terms["loss_content"]
            + weights.cross_cycle * terms["loss_cycle"]
            + weights.reconstruction * terms["loss_reconstruction"]
            + weights.kl * terms["loss_kl"]
            + weights.l2 * terms["loss_l2"]
        )
        return Loss(total, {"loss_generator": total} | terms)

    def random_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Random styles: believed, read off again (eq. 7), and seen (Mao 2019, eq. 3). The encoder of styles is held."""
        a, b, weights = batch["a"], batch["b"], self.settings.weights
        content_a, content_b = self.contents(a, "a"), self.contents(b, "b")
        first, second = self.random_style(a, rng), self.random_style(a, rng)
        made_a, made_b = self.painters(content_b, first, "a"), self.painters(content_a, first, "b")
        terms = {
            "loss_random": self.fool(self.random_a, a, made_a) + self.fool(self.random_b, b, made_b),
            "loss_latent": l1_loss(self.styles(made_a, "a")[0], first) + l1_loss(self.styles(made_b, "b")[0], first),
        }
        total = weights.adversarial * terms["loss_random"] + weights.latent * terms["loss_latent"]
        if weights.mode_seeking:
            other_a, other_b = self.painters(content_b, second, "a"), self.painters(content_a, second, "b")
            apart = l1_loss(first, second)
            terms["loss_mode_seeking"] = 1 / (l1_loss(made_a, other_a) / apart + LEAST) + 1 / (
                l1_loss(made_b, other_b) / apart + LEAST
            )
            total = total + weights.mode_seeking * terms["loss_mode_seeking"]
        return Loss(total, terms)

    def random_style(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return torch.randn(len(images), self.latent, generator=rng, device=images.device)

    def directions(self) -> Mapping[str, Direction]:
        return WAYS

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        images = conditions["image"].to(self.device)
        z = conditions.get("z")
        return self.painted(images, "a_to_b", self.any_style(len(images), rng) if z is None else z.to(self.device))

    def translate(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        return self.painted(images, direction, self.any_style(len(images), rng))

    def reconstruct(self, made: Tensor, originals: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """In the originals' own style, as in the cross-cycle."""
        way = WAYS[direction]
        back: Tensor = self.painters(self.contents(made, way.target), self.styles(originals, way.source)[0], way.source)
        return back

    def map_identity(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """A picture's own content in its own style."""
        side = WAYS[direction].target
        same: Tensor = self.painters(self.contents(images, side), self.styles(images, side)[0], side)
        return same

    def painted(self, images: Tensor, direction: str, z: Tensor) -> Tensor:
        way = WAYS[direction]
        made: Tensor = self.painters(self.contents(images, way.source), z, way.target)
        return made

    def any_style(self, n: int, rng: torch.Generator) -> Tensor:
        return torch.randn(n, self.latent, generator=rng).to(self.device)

    @property
    def device(self) -> torch.device:
        return next(self.contents.parameters()).device

    def export(self) -> list[ExportSpec]:
        """`generator` from a to b and `reverse` from b to a, in a style `z`; `style_a` and `style_b` read the style of an example."""
        channels, side = self.shape
        example = {"image": torch.zeros(2, channels, side, side)}
        painted = example | {"z": torch.zeros(2, self.latent)}
        return [
            ExportSpec(
                "generator", Translate(self.contents, self.painters, "a", "b"), painted, ("images",), multiple=MULTIPLE
            ),
            ExportSpec(
                "reverse", Translate(self.contents, self.painters, "b", "a"), painted, ("images",), multiple=MULTIPLE
            ),
            ExportSpec("style_a", ReadStyle(self.styles, "a"), example, ("z",), multiple=MULTIPLE),
            ExportSpec("style_b", ReadStyle(self.styles, "b"), example, ("z",), multiple=MULTIPLE),
        ]


def drawn(style: tuple[Tensor, Tensor], rng: torch.Generator) -> Tensor:
    """A sample of the normal distribution with this mean and log variance, through which gradients flow (Kingma 2014)."""
    mean, log_variance = style
    noise = torch.randn(mean.shape, generator=rng, device=mean.device)
    return mean + (log_variance / 2).exp() * noise


def divergence(style: tuple[Tensor, Tensor]) -> Tensor:
    """KL from the standard normal, summed over a style, averaged over the batch."""
    mean, log_variance = style
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
