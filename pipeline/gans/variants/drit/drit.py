"""DRIT: Lee et al., "Diverse Image-to-Image Translation via Disentangled Representations" (2018), and DRIT++ (2020).

An image is encoded into a content, which does not reveal its domain, and a style, which follows a standard normal
distribution. A translation combines the content with a style of the other domain: that of an example, or a random one.
One image therefore has many translations.

Differences from the authors' code: The domains share the content encoder, which DRIT++ does with many domains. No noise
is added to the contents. The generators enlarge by repeating pixels, where transposed convolutions drew a checkerboard.
The KL divergence of the styles is averaged over the batch instead of summed. Each update recomputes what it
differentiates.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import l1_loss

from pipeline.gans.base import Batch, Direction, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.image_translation import Translation, patch_discriminator, sum_losses
from pipeline.gans.networks.resnet_generator import SIZE_MULTIPLE
from pipeline.gans.variants.drit.drit_networks import (
    ContentDiscriminator,
    ContentEncoder,
    Generators,
    StyledTranslator,
    StyleEncoders,
    StyleReader,
)
from pipeline.gans.variants.drit.settings import DRITSettings
from pipeline.items import ItemSpec
from pipeline.shared_batch import whole

DIRECTIONS = {
    "a_to_b": Direction("a", "b", inverse="b_to_a", multimodal=True),
    "b_to_a": Direction("b", "a", inverse="a_to_b", multimodal=True),
}
CONTENT_LR_SCALE, CONTENT_MAX_GRAD_NORM = 1 / 2.5, 5.0
MODE_SEEKING_EPSILON = 1e-5


class DRIT(Translation):
    """Both directions, learned from two domains.

    `contents` and `styles` encode, `painters` are the generators. `random_a` and `random_b` are the
    discriminators of images with random styles.
    """

    ema_networks = ("contents", "styles", "painters")

    def __init__(self, settings: DRITSettings, item: ItemSpec) -> None:
        super().__init__(settings, item, View("domains"))
        self.settings, self.latent = settings, settings.style
        channels, width = item.network_channels, settings.generator_channels
        self.contents = ContentEncoder(channels, width, settings.blocks)
        self.styles = StyleEncoders(channels, width, settings.style)
        self.painters = Generators(channels, width, settings.blocks, settings.style)
        self.discriminator_a, self.discriminator_b, self.random_a, self.random_b = (
            patch_discriminator(settings, channels, "none") for _ in range(4)
        )
        self.content_discriminator = ContentDiscriminator(4 * width)

    def phases(self) -> list[Phase]:
        """Return the content discriminator's updates, then those of the discriminators and of the generators."""
        content = Phase(
            "content",
            ("content_discriminator",),
            self.content_loss,
            "discriminator",
            lr_scale=CONTENT_LR_SCALE,
            max_grad_norm=CONTENT_MAX_GRAD_NORM,
        )
        discriminators = ("discriminator_a", "discriminator_b", "random_a", "random_b")
        return [
            *[content] * self.settings.content_steps,
            Phase("discriminator", discriminators, self.discriminator_loss, "discriminator"),
            Phase("generator", self.ema_networks, self.generator_loss, "generator"),
            Phase("random", ("contents", "painters"), self.random_style_loss, "generator"),
        ]

    def content_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the cross-entropy of the content discriminator, which guesses the domain (section 3.2)."""
        with torch.no_grad():
            a, b = self.contents(batch["a"]), self.contents(batch["b"])
        x, y = self.content_discriminator(a), self.content_discriminator(b)
        total = cross_entropy(x, torch.zeros_like(x)) + cross_entropy(y, torch.ones_like(y))
        return Loss(total, {"loss_content_discriminator": total})

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the objective on real images and on translations with encoded and with random styles."""
        a, b = batch["a"], batch["b"]
        with torch.no_grad():
            content_a, content_b = self.contents(a), self.contents(b)
            style_a, style_b = (sample_style(self.styles(images, d), rng) for images, d in ((a, "a"), (b, "b")))
            random = self.random_style(a, rng)
            fake_a, fake_b = self.painters(content_b, style_a, "a"), self.painters(content_a, style_b, "b")
            random_a, random_b = self.painters(content_b, random, "a"), self.painters(content_a, random, "b")
        return sum_losses(
            [
                self.discriminator_objective(self.discriminator_a, a, fake_a),
                self.discriminator_objective(self.discriminator_b, b, fake_b),
                self.discriminator_objective(self.random_a, a, random_a),
                self.discriminator_objective(self.random_b, b, random_b),
            ]
        )

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return eq. 8 without the losses of random styles: contents are swapped, and swapped back (cross-cycle)."""
        a, b, weights = batch["a"], batch["b"], self.settings.weights
        content_a, content_b = self.contents(a), self.contents(b)
        encoded_a, encoded_b = self.styles(a, "a"), self.styles(b, "b")
        style_a, style_b = sample_style(encoded_a, rng), sample_style(encoded_b, rng)
        fake_a, fake_b = self.painters(content_b, style_a, "a"), self.painters(content_a, style_b, "b")
        own_a, own_b = self.painters(content_a, style_a, "a"), self.painters(content_b, style_b, "b")
        cycle_a = self.painters(self.contents(fake_b), sample_style(self.styles(fake_a, "a"), rng), "a")
        cycle_b = self.painters(self.contents(fake_a), sample_style(self.styles(fake_b, "b"), rng), "b")
        domain_a, domain_b = self.content_discriminator(content_a), self.content_discriminator(content_b)
        terms = {
            "loss_adversarial": self.generator_objective(self.discriminator_a, a, fake_a)
            + self.generator_objective(self.discriminator_b, b, fake_b),
            # The content discriminator should be undecided.
            "loss_content": cross_entropy(domain_a, torch.full_like(domain_a, 0.5))
            + cross_entropy(domain_b, torch.full_like(domain_b, 0.5)),
            "loss_cycle": l1_loss(cycle_a, a) + l1_loss(cycle_b, b),
            "loss_reconstruction": l1_loss(own_a, a) + l1_loss(own_b, b),
            "loss_kl": kl_divergence(encoded_a) + kl_divergence(encoded_b),
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

    def random_style_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the losses of random styles; the style encoders are not updated.

        They are the adversarial loss, latent regression (eq. 7) and mode seeking (Mao 2019, eq. 3).
        """
        a, b, weights = batch["a"], batch["b"], self.settings.weights
        content_a, content_b = self.contents(a), self.contents(b)
        z1, z2 = self.random_style(a, rng), self.random_style(a, rng)
        fake_a, fake_b = self.painters(content_b, z1, "a"), self.painters(content_a, z1, "b")
        terms = {
            "loss_random": self.generator_objective(self.random_a, a, fake_a)
            + self.generator_objective(self.random_b, b, fake_b),
            "loss_latent": l1_loss(self.styles(fake_a, "a")[0], z1) + l1_loss(self.styles(fake_b, "b")[0], z1),
        }
        total = weights.adversarial * terms["loss_random"] + weights.latent * terms["loss_latent"]
        if weights.mode_seeking:
            other_a, other_b = self.painters(content_b, z2, "a"), self.painters(content_a, z2, "b")
            distance = l1_loss(whole(z1), whole(z2))
            terms["loss_mode_seeking"] = 1 / (
                l1_loss(whole(fake_a), whole(other_a)) / distance + MODE_SEEKING_EPSILON
            ) + 1 / (l1_loss(whole(fake_b), whole(other_b)) / distance + MODE_SEEKING_EPSILON)
            total = total + weights.mode_seeking * terms["loss_mode_seeking"]
        return Loss(total, terms)

    def random_style(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Draw a style for each image, on the images' device."""
        return torch.randn(len(images), self.latent, generator=rng, device=images.device)

    def directions(self) -> Mapping[str, Direction]:
        """Return both directions."""
        return DIRECTIONS

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Translate the condition `image` from a to b, in the style `z` or a random one."""
        images, z = conditions["item"].to(self.device), conditions.get("z")
        if z is None:
            return self.translate(images, "a_to_b", rng)
        return self.apply_style(images, "a_to_b", z.to(self.device))

    def translate(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """Translate images [n, C, H, W] in [-1, 1], each in a random style."""
        z = torch.randn(len(images), self.latent, generator=rng).to(self.device)
        return self.apply_style(images, direction, z)

    def translate_like(self, images: Tensor, examples: Tensor, direction: str) -> Tensor:
        """Translate images in the mean styles of examples of the target domain."""
        return self.apply_style(images, direction, self.styles(examples, DIRECTIONS[direction].target)[0])

    def reconstruct(self, translated: Tensor, originals: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """Translate back in the originals' own styles, as in the cross-cycle."""
        way = DIRECTIONS[direction]
        style = self.styles(originals, way.source)[0]
        back: Tensor = self.painters(self.contents(translated), style, way.source)
        return back

    def map_identity(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        """Reconstruct images of the target domain from their own contents and styles."""
        domain = DIRECTIONS[direction].target
        same: Tensor = self.painters(self.contents(images), self.styles(images, domain)[0], domain)
        return same

    def apply_style(self, images: Tensor, direction: str, z: Tensor) -> Tensor:
        """Translate images [n, C, H, W] in the styles z [n, latent]."""
        way = DIRECTIONS[direction]
        fake: Tensor = self.painters(self.contents(images), z, way.target)
        return fake

    @property
    def device(self) -> torch.device:
        """The device of the networks."""
        return next(self.contents.parameters()).device

    def export(self) -> list[ExportSpec]:
        """Return both directions with a style `z`, and the style encoders of both domains."""
        channels, side = self.shape
        image = {"item": torch.zeros(2, channels, side, side)}
        styled = image | {"z": torch.zeros(2, self.latent)}
        a_to_b = StyledTranslator(self.contents, self.painters, "b")
        b_to_a = StyledTranslator(self.contents, self.painters, "a")
        return [
            ExportSpec("generator", a_to_b, styled, ("items",), multiple=SIZE_MULTIPLE),
            ExportSpec("reverse", b_to_a, styled, ("items",), multiple=SIZE_MULTIPLE),
            ExportSpec("style_a", StyleReader(self.styles, "a"), image, ("z",), multiple=SIZE_MULTIPLE),
            ExportSpec("style_b", StyleReader(self.styles, "b"), image, ("z",), multiple=SIZE_MULTIPLE),
        ]


def sample_style(encoded: tuple[Tensor, Tensor], rng: torch.Generator) -> Tensor:
    """Sample N(mean, variance) with the reparametrisation trick (Kingma 2014); `encoded` is mean and log variance."""
    mean, log_variance = encoded
    noise = torch.randn(mean.shape, generator=rng, device=mean.device)
    return mean + (log_variance / 2).exp() * noise


def kl_divergence(encoded: tuple[Tensor, Tensor]) -> Tensor:
    """Return the KL divergence from N(0, I), summed over the style and averaged over the batch."""
    mean, log_variance = encoded
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
