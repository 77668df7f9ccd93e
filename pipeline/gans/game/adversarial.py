"""The adversarial game between one generator and one discriminator, under any objective, penalty and stabiliser.

A variant brings the two networks and reads like its paper; what holds for every pair is here. The generator maps z [B, latent]
(and labels [B], where there are classes) to images, the discriminator images (and labels) to logits [B], positive for real.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.gans.augment.augmentation import Augment
from pipeline.gans.base import GAN, Batch, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.adversarial_settings import AdversarialSettings
from pipeline.gans.game.lecam import LeCam
from pipeline.gans.game.objectives import OBJECTIVES
from pipeline.gans.game.penalties import interpolated, one_centred, perturbed, zero_centred
from pipeline.gans.networks.layers import pack, spectrally_normalised


class Adversarial(GAN):
    """`discriminator` must take `stabilisers.packing` times the image's channels, and show its features as `discriminator.trunk`.

    `classes` is None for a pair that knows no labels.
    """

    def __init__(
        self, settings: AdversarialSettings, generator: nn.Module, discriminator: nn.Module, classes: int | None = None
    ) -> None:
        super().__init__()
        self.latent, self.classes, self.critic_steps = settings.latent, classes or 0, settings.critic_steps
        self.view = View("unlabelled" if classes is None else "labelled")
        self.objective = OBJECTIVES[settings.objective]
        self.penalties, self.stabilisers = settings.penalties, settings.stabilisers
        self.group = self.stabilisers.packing
        self.generator = generator
        self.discriminator: Any = (
            spectrally_normalised(discriminator) if self.stabilisers.spectral_norm else discriminator
        )
        self.augment = Augment(self.stabilisers.augment)
        self.lecam = LeCam(self.stabilisers.lecam)

    def phases(self) -> list[Phase]:
        """`critic_steps` updates of the discriminator, then one of the generator; lazy penalties have their own, every so many steps.

        Because a lazy penalty adds an update in k + 1, Adam's rate and betas are taken to k / (k + 1) (Karras 2020, appendix B).
        """
        every = self.penalties.every
        lazy = every > 1 and self.penalties.any
        share = every / (every + 1) if lazy else 1.0
        clip = self.clip_weights if self.penalties.clip > 0 else None
        players = ("discriminator",)
        judge = Phase(
            "discriminator",
            players,
            self.discriminator_loss,
            "discriminator",
            lr_scale=share,
            beta_power=share,
            after=clip,
        )
        regularise = Phase(
            "regularisation",
            players,
            self.regularisation_loss,
            "discriminator",
            lr_scale=share,
            beta_power=share,
            every=every,
        )
        create = Phase("generator", ("generator",), self.generator_loss, "generator")
        return [judge] * self.critic_steps + [regularise] * lazy + [create]

    def latents(self, n: int, rng: torch.Generator) -> Tensor:
        """z ~ N(0, I) on the random generator's device, float32 [n, latent]."""
        return torch.randn(n, self.latent, generator=rng, device=rng.device)

    def label(self, batch: Batch) -> Tensor | None:
        return batch["label"] if self.classes else None

    def generate(self, n: int, label: Tensor | None, rng: torch.Generator) -> Tensor:
        """Images of `n` new latents, as the networks are trained on them."""
        images: Tensor = (
            self.generator(self.latents(n, rng)) if label is None else self.generator(self.latents(n, rng), label)
        )
        return images.float()

    def augment_for_discriminator(self, images: Tensor, progress: Progress, rng: torch.Generator) -> Tensor:
        """Images as the discriminator sees them in training: transformed, and under noise."""
        seen: Tensor = self.augment(images, progress.fraction, rng)
        noise = self.stabilisers.instance_noise.at(progress.fraction)
        return seen + noise * torch.randn(seen.shape, generator=rng, device=seen.device) if noise > 0 else seen

    def judge(self, images: Tensor, label: Tensor | None, progress: Progress, rng: torch.Generator) -> Tensor:
        """Logits [B / packing] of images, as they are seen and in packs."""
        packed = pack(self.augment_for_discriminator(images, progress, rng), self.stabilisers.packing)
        logits: Tensor = self.discriminator(packed) if label is None else self.discriminator(packed, label)
        return logits.float()

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        real, label = batch["image"], self.label(batch)
        with torch.no_grad():
            fake = self.generate(len(real), label, rng)
        now = self.penalties.every == 1
        real_logits = self.judge(real.requires_grad_(now and self.penalties.r1.ever), label, progress, rng)
        fake_logits = self.judge(fake.requires_grad_(now and self.penalties.r2.ever), label, progress, rng)
        total = self.objective.discriminator(real_logits, fake_logits, self.stabilisers.label_smoothing)
        x, y = real_logits.detach(), fake_logits.detach()
        terms = {
            "loss_discriminator": total,
            "d_real": x.sigmoid().mean(),
            "d_fake": y.sigmoid().mean(),
            "logit_real": x.mean(),
            "logit_fake": y.mean(),
            "d_accuracy": (x > y).float().mean(),  # of pairs: what every objective understands by it
        }
        if self.lecam.weight > 0:
            terms["lecam"] = self.lecam(real_logits, fake_logits)
            total = total + self.lecam.weight * terms["lecam"]
        if now:
            penalty, measured = self.penalty(real, fake, label, progress, rng, real_logits, fake_logits)
            total, terms = total + penalty, terms | measured
        terms |= self.augment.adapt(real_logits)
        return Loss(total, terms)

    def regularisation_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """The penalties alone, `every` times as strong: the same on average."""
        real, label, fake, fake_logits = batch["image"], self.label(batch), None, None
        real_logits = self.judge(real.requires_grad_(), label, progress, rng) if self.penalties.r1.ever else None
        if self.penalties.r2.ever or self.penalties.gp > 0:
            with torch.no_grad():
                fake = self.generate(len(real), label, rng)
            fake_logits = self.judge(fake.requires_grad_(), label, progress, rng) if self.penalties.r2.ever else None
        penalty, terms = self.penalty(real, fake, label, progress, rng, real_logits, fake_logits)
        return Loss(self.penalties.every * penalty, terms)

    def penalty(
        self,
        real: Tensor,
        fake: Tensor | None,
        label: Tensor | None,
        progress: Progress,
        rng: torch.Generator,
        real_logits: Tensor | None,
        fake_logits: Tensor | None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the gradient penalties, and each without its weight; all on images before they are transformed."""
        weights, terms = self.penalties, {}
        total = torch.zeros((), device=real.device)
        if weights.r1.ever and real_logits is not None:
            terms["r1"] = zero_centred(real_logits, real)
            total = total + weights.r1.at(progress.fraction) / 2 * terms["r1"]
        if weights.r2.ever and fake is not None and fake_logits is not None:
            terms["r2"] = zero_centred(fake_logits, fake)
            total = total + weights.r2.at(progress.fraction) / 2 * terms["r2"]
        if weights.gp > 0 and fake is not None:
            points = interpolated(real, fake, rng).requires_grad_()
            terms["gp"] = one_centred(self.judge(points, label, progress, rng), points)
            total = total + weights.gp * terms["gp"]
        if weights.dragan > 0:
            points = perturbed(real, rng).requires_grad_()
            terms["dragan"] = one_centred(self.judge(points, label, progress, rng), points)
            total = total + weights.dragan * terms["dragan"]
        return total, terms

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        real, label = batch["image"], self.label(batch)
        fake_logits = self.judge(self.generate(len(real), label, rng), label, progress, rng)
        real_logits = fake_logits.detach()
        if self.objective.paired:
            with torch.no_grad():
                real_logits = self.judge(real, label, progress, rng)
        share = self.stabilisers.top_k.at(progress.fraction)
        if share < 1:
            best = fake_logits.topk(max(1, round(share * len(fake_logits)))).indices
            real_logits, fake_logits = real_logits[best], fake_logits[best]
        total = self.objective.generator(real_logits, fake_logits)
        return Loss(total, {"loss_generator": total})

    @torch.no_grad()
    def clip_weights(self) -> None:
        """Arjovsky 2017, algorithm 1, line 7."""
        for weight in self.discriminator.parameters():
            weight.clamp_(-self.penalties.clip, self.penalties.clip)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        device = next(self.generator.parameters()).device
        z = (conditions["z"] if "z" in conditions else self.latents(n, rng)).to(device)
        if not self.classes:
            images: Tensor = self.generator(z)
        else:
            label = conditions.get("label")
            label = torch.randint(self.classes, (n,), generator=rng) if label is None else label
            images = self.generator(z, label.to(device))
        return images.float()

    @torch.no_grad()
    def score(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        training = self.discriminator.training
        self.discriminator.eval()
        # A discriminator of packs sees one image as a pack of itself.
        packs = images.repeat(1, self.stabilisers.packing, 1, 1)
        logits: Tensor = self.discriminator(packs) if not self.classes else self.discriminator(packs, label)
        self.discriminator.train(training)
        return logits.float()

    def export(self) -> list[ExportSpec]:
        inputs = {"z": torch.zeros(2, self.latent)} | (
            {"label": torch.zeros(2, dtype=torch.int64)} if self.classes else {}
        )
        return [ExportSpec("generator", self.generator, inputs, ("images",))]

    def trunk(self) -> nn.Module:
        return Trunk(self.discriminator.trunk, self.stabilisers.packing)


class Trunk(nn.Module):
    """Images [n, C, H, W] -> features [n, d]: the discriminator without what turns its last maps into a verdict."""

    def __init__(self, network: nn.Module, packing: int) -> None:
        super().__init__()
        self.network, self.packing = network, packing

    def forward(self, images: Tensor) -> Tensor:
        # A discriminator of packs sees one image as a pack of itself.
        features: Tensor = self.network(images.repeat(1, self.packing, 1, 1))
        return features.flatten(1)
