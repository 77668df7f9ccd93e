"""The adversarial game of one generator and one discriminator, under any objective, penalty and stabiliser.

A variant supplies the two networks and reads like its paper; what all pairs share is here. The generator maps z
[B, latent] (and labels [B], if conditional) to images [B, C, H, W]. The discriminator maps images (and labels) to
logits [B], positive for real.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.gans.augment.augmentation import Augment
from pipeline.gans.base import GAN, Batch, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.adversarial_settings import AdversarialSettings
from pipeline.gans.game.lecam import LeCam
from pipeline.gans.game.objectives import OBJECTIVES
from pipeline.gans.game.penalties import interpolate, one_centred_penalty, perturb, zero_centred_penalty
from pipeline.gans.networks.layers import apply_spectral_norm, pack
from pipeline.shared_batch import whole


@dataclass(frozen=True)
class Scored:
    """Images [B, C, H, W] before augmentation, and the logits computed from them; None if they were not needed."""

    images: Tensor
    logits: Tensor | None


class Adversarial(GAN):
    """A generator and a discriminator that play the game of `settings`.

    Args:
        settings: Objective, penalties and stabilisers.
        generator: z (and labels) -> images.
        discriminator: Images, `stabilisers.packing` of them stacked along the channels (and labels) -> logits. Its
            submodule or property `trunk` maps images to features.
        classes: Number of classes of a conditional pair; None for an unconditional one.
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
            apply_spectral_norm(discriminator) if self.stabilisers.spectral_norm else discriminator
        )
        self.augment = Augment(self.stabilisers.augment)
        self.lecam = LeCam(self.stabilisers.lecam)

    def phases(self) -> list[Phase]:
        """Return `critic_steps` discriminator updates, a lazy penalty update if configured, and a generator update.

        A lazy penalty adds one update to every k. Adam's rate and betas are corrected by k / (k + 1) (Karras 2020,
        appendix B).
        """
        every = self.penalties.every
        lazy = every > 1 and self.penalties.any
        correction = every / (every + 1) if lazy else 1.0
        discriminator = Phase(
            "discriminator",
            ("discriminator",),
            self.discriminator_loss,
            "discriminator",
            lr_scale=correction,
            beta_power=correction,
            after_update=self.clip_weights if self.penalties.clip > 0 else None,
        )
        regularisation = replace(
            discriminator, name="regularisation", loss=self.regularisation_loss, every=every, after_update=None
        )
        generator = Phase("generator", ("generator",), self.generator_loss, "generator")
        return [discriminator] * self.critic_steps + [regularisation] * lazy + [generator]

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw z ~ N(0, I) on the random generator's device, float32 [n, latent]."""
        return torch.randn(n, self.latent, generator=rng, device=rng.device)

    def embed(self, condition: Tensor) -> Tensor:
        """Return a condition as the networks take it: labels as they are."""
        return condition

    def labels_of(self, batch: Batch) -> Tensor | None:
        """Return the embedded condition of a batch; None if the pair is unconditional."""
        return self.embed(batch[self.condition]) if self.condition else None

    def generate(self, n: int, label: Tensor | None, rng: torch.Generator) -> Tensor:
        """Generate images of `n` new latents as in training; differentiable."""
        z = self.sample_latents(n, rng)
        images: Tensor = self.generator(z) if label is None else self.generator(z, label)
        return images.float()

    def augment_for_discriminator(self, images: Tensor, progress: Progress, rng: torch.Generator) -> Tensor:
        """Augment images and add instance noise, as in discriminator training."""
        augmented: Tensor = self.augment(images, progress, rng)
        noise = self.stabilisers.instance_noise
        if not progress.active(noise):
            return augmented
        sigma = progress.weight(noise)
        return augmented + sigma * torch.randn(augmented.shape, generator=rng, device=augmented.device)

    def discriminate(self, images: Tensor, label: Tensor | None, progress: Progress, rng: torch.Generator) -> Tensor:
        """Return the logits [B / packing] of augmented and packed images."""
        packed = pack(self.augment_for_discriminator(images, progress, rng), self.stabilisers.packing)
        logits: Tensor = self.discriminator(packed) if label is None else self.discriminator(packed, label)
        return logits.float()

    def rejected_logits(
        self, real: Tensor, fake_logits: Tensor, label: Tensor | None, progress: Progress, rng: torch.Generator
    ) -> Tensor:
        """Return the logits of everything that the discriminator shall reject: those of generated images."""
        return fake_logits

    def penalised_inputs(self, images: Tensor, label: Tensor | None) -> tuple[Tensor, ...]:
        """Return the inputs of the discriminator whose gradients R1 penalises: the images."""
        return (images,)

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the objective with LeCam, and with the penalties unless they are lazy."""
        real, label = batch["item"], self.labels_of(batch)
        with torch.no_grad():
            fake = self.generate(len(real), label, rng)
        eager = self.penalties.every == 1
        real_logits = self.discriminate(real.requires_grad_(eager and self.penalties.r1.ever), label, progress, rng)
        fake_logits = self.discriminate(fake.requires_grad_(eager and self.penalties.r2.ever), label, progress, rng)
        rejected = self.rejected_logits(real, fake_logits, label, progress, rng)
        total = self.objective.discriminator(real_logits, rejected, self.stabilisers.label_smoothing)
        x, y = real_logits.detach(), fake_logits.detach()
        terms = {
            "loss_discriminator": total,
            "d_real": x.sigmoid().mean(),
            "d_fake": y.sigmoid().mean(),
            "logit_real": x.mean(),
            "logit_fake": y.mean(),
            "d_accuracy": (x > y).float().mean(),  # pairwise accuracy: comparable across objectives
        }
        if self.lecam.weight > 0:
            terms["lecam"] = self.lecam(real_logits, fake_logits)
            total = total + self.lecam.weight * terms["lecam"]
        if eager:
            penalty, penalty_terms = self.penalty(
                Scored(real, real_logits), Scored(fake, fake_logits), label, progress, rng
            )
            total, terms = total + penalty, terms | penalty_terms
        terms |= self.augment.adapt(real_logits)
        return Loss(total, terms)

    def regularisation_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the penalties alone, `every` times as strong, so that their average strength is unchanged."""
        label, weights = self.labels_of(batch), self.penalties
        images = batch["item"].requires_grad_()
        real = Scored(images, self.discriminate(images, label, progress, rng) if weights.r1.ever else None)
        fake = None
        if weights.r2.ever or weights.gp > 0:
            with torch.no_grad():
                images = self.generate(len(images), label, rng)
            logits = self.discriminate(images.requires_grad_(), label, progress, rng) if weights.r2.ever else None
            fake = Scored(images, logits)
        penalty, terms = self.penalty(real, fake, label, progress, rng)
        return Loss(weights.every * penalty, terms)

    def penalty(
        self, real: Scored, fake: Scored | None, label: Tensor | None, progress: Progress, rng: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum of the gradient penalties, and each of them by name without its weight.

        The gradients are taken at images before augmentation.
        """
        weights, terms = self.penalties, {}
        total = torch.zeros((), device=real.images.device)
        if weights.r1.ever and real.logits is not None:
            terms["r1"] = zero_centred_penalty(real.logits, *self.penalised_inputs(real.images, label))
            total = total + progress.weight(weights.r1) / 2 * terms["r1"]
        if weights.r2.ever and fake is not None and fake.logits is not None:
            terms["r2"] = zero_centred_penalty(fake.logits, fake.images)
            total = total + progress.weight(weights.r2) / 2 * terms["r2"]
        if weights.gp > 0 and fake is not None:
            points = interpolate(real.images, fake.images, rng).requires_grad_()
            terms["gp"] = one_centred_penalty(self.discriminate(points, label, progress, rng), points)
            total = total + weights.gp * terms["gp"]
        if weights.dragan > 0:
            points = perturb(real.images, rng).requires_grad_()
            terms["dragan"] = one_centred_penalty(self.discriminate(points, label, progress, rng), points)
            total = total + weights.dragan * terms["dragan"]
        return total, terms

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the objective on new samples, on the best `top_k` of them if configured."""
        real, label = batch["item"], self.labels_of(batch)
        fake_logits = self.discriminate(self.generate(len(real), label, rng), label, progress, rng)
        real_logits = fake_logits.detach()
        if self.objective.paired:
            with torch.no_grad():
                real_logits = self.discriminate(real, label, progress, rng)
        share = progress.number(self.stabilisers.top_k)
        if share < 1:
            fake_logits, real_logits = whole(fake_logits), whole(real_logits)
            best = fake_logits.topk(max(1, round(share * len(fake_logits)))).indices
            real_logits, fake_logits = real_logits[best], fake_logits[best]
        total = self.objective.generator(real_logits, fake_logits)
        return Loss(total, {"loss_generator": total})

    @torch.no_grad()
    def clip_weights(self) -> None:
        """Clip the discriminator's weights (Arjovsky 2017, algorithm 1, line 7), except frozen ones."""
        for weight in self.discriminator.parameters():
            if weight.requires_grad:
                weight.clamp_(-self.penalties.clip, self.penalties.clip)

    def draw_condition(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw `n` conditions: labels, each class as often."""
        return torch.randint(self.classes, (n,), generator=rng)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Generate `n` images of `z` and, if conditional, `label`."""
        device = next(self.generator.parameters()).device
        z = (conditions["z"] if "z" in conditions else self.sample_latents(n, rng)).to(device)
        if not self.condition:
            images: Tensor = self.generator(z)
        else:
            chosen = conditions.get(self.condition)
            chosen = self.draw_condition(n, rng) if chosen is None else chosen
            images = self.generator(z, self.embed(chosen.to(device)))
        return images.float()

    def encode(self, z: Tensor, label: Tensor) -> Tensor:
        """Return the latents that edits move: z itself."""
        return z

    def render(self, latents: Tensor, label: Tensor) -> Tensor:
        """Return the images of latents, differentiable; `label` is ignored by unconditional pairs."""
        images: Tensor = self.generator(latents, self.embed(label)) if self.classes else self.generator(latents)
        return images.float()

    @torch.no_grad()
    def score(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the discriminator's logits for `images`, shape [n]; higher means more real."""
        training = self.discriminator.training
        self.discriminator.eval()
        # PacGAN: score a single image as a pack of copies.
        packs = images.repeat(1, self.stabilisers.packing, 1, 1)
        given = (packs,) if condition is None or not self.condition else (packs, self.embed(condition))
        logits: Tensor = self.discriminator(*given)
        self.discriminator.train(training)
        return logits.float()

    def export(self) -> list[ExportSpec]:
        """Return the generator: z and, if conditional, labels -> images."""
        inputs = {"z": torch.zeros(2, self.latent)} | (
            {"label": torch.zeros(2, dtype=torch.int64)} if self.classes else {}
        )
        return [ExportSpec("generator", self.generator, inputs, ("items",))]

    def trunk(self) -> nn.Module:
        """Return the discriminator without its head, images [n, C, H, W] -> features [n, d]."""
        return DiscriminatorFeatures(self.discriminator.trunk, self.stabilisers.packing)


class DiscriminatorFeatures(nn.Module):
    """Images [n, C, H, W] -> the discriminator's last feature maps, flattened to [n, d]."""

    def __init__(self, network: nn.Module, packing: int) -> None:
        super().__init__()
        self.network, self.packing = network, packing

    def forward(self, images: Tensor) -> Tensor:
        # PacGAN: a single image is a pack of copies.
        features: Tensor = self.network(images.repeat(1, self.packing, 1, 1))
        return features.flatten(1)
