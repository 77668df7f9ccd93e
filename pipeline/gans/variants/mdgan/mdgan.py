"""MD-GAN: Hardy, Le Merrer, Sericola, "MD-GAN: Multi-Discriminator Generative Adversarial Networks for Distributed
Datasets" (2019), on DCGAN's networks.

A server has the generator w. Each of N workers has a discriminator and its own data, which stay there. A step is one
iteration of algorithm 1:

1. The server generates k batches X(0), ..., X(k - 1). Worker n receives X_g = X(n mod k) and X_d = X((n + 1) mod k).
2. Each worker takes L learning steps of its discriminator, on a batch of its own data and on X_d.
3. Each worker returns its feedback F_n, the gradient of the generator's objective with respect to X_g.
4. The server merges the feedback into the gradient of w, the mean of F_n dx/dw over workers and images, for Adam.
5. Every E epochs, the discriminators move to other workers.

With `split: own` and several processes, the first one is the server. The others are workers: they have data and
discriminators, and receive nothing but generated images and discriminators.

The paper trains with the minimax objective; any other one can be chosen. It also swaps at random; here a random cycle
moves every discriminator, so that none stays where it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from pipeline import processes
from pipeline.gans.base import GAN, Batch, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.adversarial import DiscriminatorFeatures
from pipeline.gans.game.objectives import OBJECTIVES
from pipeline.gans.game.penalties import zero_centred_penalty
from pipeline.gans.networks.layers import apply_spectral_norm
from pipeline.gans.variants.dcgan import dcgan
from pipeline.gans.variants.mdgan.settings import MDGANSettings
from pipeline.items import ItemSpec
from pipeline.shared_batch import smaller_batch

TERMS = ("loss_discriminator", "d_real", "d_fake", "logit_real", "logit_fake", "d_accuracy")
"""Numbers of a discriminator's update that are logged."""


class MDGAN(GAN):
    """One generator, and a discriminator for each worker. Row i of a batch belongs to worker i mod N.

    Attributes:
        discriminator_at: Number of the discriminator that each worker has.
        swaps: Swaps so far.
    """

    def __init__(self, settings: MDGANSettings, item: ItemSpec) -> None:
        super().__init__()
        self.latent, self.workers, self.k = settings.latent, settings.workers, settings.generated
        self.local_steps, self.swap_epochs = settings.critic_steps, settings.swap_epochs
        self.objective, self.penalties = OBJECTIVES[settings.objective], settings.penalties
        self.smoothing = settings.stabilisers.label_smoothing
        self.group = settings.workers
        self.own_data, self.shape = settings.split == "own", (item.network_channels, item.height, item.width)
        self.view = View("worker_shards", {"workers": settings.workers, "split": settings.split})
        self.discriminator_at, self.swaps = list(range(settings.workers)), 0
        pairs = [dcgan.build_networks(settings, item) for _ in range(settings.workers)]
        self.generator = pairs[0][0]
        for number, (_, discriminator) in enumerate(pairs):
            if settings.stabilisers.spectral_norm:
                apply_spectral_norm(discriminator)
            self.add_module(f"discriminator_{number}", discriminator)

    @property
    def discriminators(self) -> list[dcgan.Discriminator]:
        """All discriminators by their number."""
        return [self.get_submodule(f"discriminator_{number}") for number in range(self.workers)]  # type: ignore[misc]

    def phases(self) -> list[Phase]:
        """Return L discriminator updates, a lazy penalty update if configured, and a generator update, on one batch.

        A lazy penalty adds one update to every `every`. Adam's rate and betas are corrected (Karras 2020, appendix B).
        """
        every = self.penalties.every
        lazy = every > 1 and self.penalties.any
        correction = every / (every + 1) if lazy else 1.0
        names = tuple(f"discriminator_{number}" for number in range(self.workers))
        first = Phase(
            "discriminator",
            names,
            self.discriminator_loss,
            "discriminator",
            lr_scale=correction,
            beta_power=correction,
            before_update=self.swap,
        )
        again = replace(first, same_batch=True, before_update=None)
        penalty = replace(again, name="regularisation", loss=self.regularisation_loss, every=every)
        generator = Phase("generator", ("generator",), self.generator_loss, "generator", same_batch=True)
        return [first, *[again] * (self.local_steps - 1), *[penalty] * lazy, generator]

    def homes(self) -> dict[str, int]:
        """Return the process in which each network lives, if the workers have their own data."""
        if not self.own_data or processes.count() == 1:
            return {}
        at = {f"discriminator_{d}": processes.home_of_worker(n) for n, d in enumerate(self.discriminator_at)}
        return {"generator": 0} | at

    def is_here(self, worker: int) -> bool:
        """Return whether this process has the data and the discriminator of a worker."""
        return not self.homes() or processes.home_of_worker(worker) == processes.rank()

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw z ~ N(0, I) on the random generator's device, float32 [n, latent]."""
        return torch.randn(n, self.latent, generator=rng, device=rng.device)

    def generate(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Generate the step's batches X(0), ..., X(k - 1), [k, b, C, H, W]; differentiable in the server."""
        b = len(batch["item"]) // self.workers
        with smaller_batch(b):
            z = self.sample_latents(self.k * b, rng)  # in workers, too: all processes draw the same numbers
            images: Tensor = self.generator(z) if self.is_server else z.new_zeros(self.k * b, *self.shape)
        return images.float().reshape(self.k, b, *self.shape)

    @property
    def is_server(self) -> bool:
        """Whether this process has the generator."""
        return not self.homes() or processes.is_first()

    def distribute(self, images: Tensor) -> Tensor:
        """Return generated images as the workers receive them, without their history."""
        received = images.detach().clone(memory_format=torch.contiguous_format)
        return processes.share(received) if self.homes() else received

    def at_workers(self, batch: Batch) -> list[tuple[int, dcgan.Discriminator, Tensor]]:
        """Return the number, discriminator and own images [b, C, H, W] of each worker in this process."""
        networks, items = self.discriminators, batch["item"]
        return [
            (n, networks[number], items[n :: self.workers])
            for n, number in enumerate(self.discriminator_at)
            if self.is_here(n)
        ]

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the sum of the workers' losses. Each discriminator has its own, so the gradients are independent."""
        with torch.no_grad():
            generated = self.distribute(self.generate(batch, rng))
        eager = self.penalties.every == 1
        total, terms = torch.zeros((), device=generated.device, requires_grad=True), []
        for n, discriminator, own in self.at_workers(batch):
            real = own.detach().requires_grad_(eager and self.penalties.r1.ever)
            fake = generated[(n + 1) % self.k].detach().requires_grad_(eager and self.penalties.r2.ever)
            real_logits, fake_logits = discriminator(real).float(), discriminator(fake).float()
            loss = self.objective.discriminator(real_logits, fake_logits, self.smoothing)
            x, y = real_logits.detach(), fake_logits.detach()
            found = {
                "loss_discriminator": loss.detach(),
                "d_real": x.sigmoid().mean(),
                "d_fake": y.sigmoid().mean(),
                "logit_real": x.mean(),
                "logit_fake": y.mean(),
                "d_accuracy": (x > y).float().mean(),  # pairwise accuracy: comparable across objectives
            }
            if eager:
                penalty, penalties = self.penalty((real, real_logits), (fake, fake_logits), progress)
                loss, found = loss + penalty, found | penalties
            total = total + loss
            terms.append(found)
        return Loss(total, self.average(terms, [*TERMS, *(self.active_penalties if eager else ())]))

    def regularisation_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the sum of the workers' penalties, `every` times as strong, so that the average is unchanged."""
        with torch.no_grad():
            generated = self.distribute(self.generate(batch, rng))
        total, terms = torch.zeros((), device=generated.device, requires_grad=True), []
        for n, discriminator, own in self.at_workers(batch):
            real, fake = own.detach().requires_grad_(), generated[(n + 1) % self.k].detach().requires_grad_()
            penalty, found = self.penalty((real, discriminator(real)), (fake, discriminator(fake)), progress)
            total = total + self.penalties.every * penalty
            terms.append(found)
        return Loss(total, self.average(terms, self.active_penalties))

    @property
    def active_penalties(self) -> list[str]:
        """Names of the penalties with a weight."""
        return [name for name, weight in (("r1", self.penalties.r1), ("r2", self.penalties.r2)) if weight.ever]

    def penalty(
        self, real: tuple[Tensor, Tensor], fake: tuple[Tensor, Tensor], progress: Progress
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum of R1 and R2 for images and their logits, and each without its weight."""
        total, terms = torch.zeros((), device=real[0].device), {}
        for name, weight, (images, logits) in (("r1", self.penalties.r1, real), ("r2", self.penalties.r2, fake)):
            if weight.ever:
                value = zero_centred_penalty(logits.float(), images)
                total = total + progress.weight(weight) / 2 * value
                terms[name] = value.detach()
        return total, terms

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the sum of generated images times their merged feedback, whose gradient is that of section IV-B."""
        images = self.generate(batch, rng)
        received = self.distribute(images)
        merged, terms = torch.zeros_like(received), []
        for n, discriminator, own in self.at_workers(batch):
            feedback, objective = self.feedback(discriminator, received[n % self.k].detach(), own)
            merged[n % self.k] += feedback / self.workers
            terms.append({"loss_generator": objective})
        if self.homes():
            processes.add_up(merged)
        total = (images * merged).sum() if self.is_server else torch.zeros((), requires_grad=True)
        return Loss(total, self.average(terms, ["loss_generator"]))

    def feedback(self, discriminator: nn.Module, images: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Return F_n, the gradient of a worker's objective for the generator with respect to images, and its value.

        Args:
            discriminator: The worker's discriminator.
            images: X_g, [b, C, H, W].
            real: The worker's own images, which relativistic objectives compare with.
        """
        images.requires_grad_()
        logits = discriminator(images).float()
        with torch.no_grad():
            real_logits = discriminator(real).float() if self.objective.paired else logits
        objective = self.objective.generator(real_logits.detach(), logits)
        (gradient,) = torch.autograd.grad(objective, images)
        return gradient, objective.detach()

    def average(self, terms: Sequence[Mapping[str, Tensor]], names: Sequence[str]) -> dict[str, Tensor]:
        """Return the means of the workers' terms; the mean over processes is right if each has some of the workers."""
        scale = (processes.count() if self.homes() else 1) / self.workers
        none = torch.zeros((), device=next(self.generator.parameters()).device)
        return {name: scale * sum((found[name] for found in terms), none) for name in names}

    def swap(self, progress: Progress) -> None:
        """Move all discriminators to other workers if E epochs have passed since the last swap.

        The order is drawn from torch's default generator on the CPU, whose state checkpoints hold.
        """
        due = int(progress.epochs / self.swap_epochs) if self.swap_epochs else 0
        if due > self.swaps:
            cycle = torch.randperm(self.workers).tolist()
            before = self.discriminator_at.copy()
            for position, worker in enumerate(cycle):
                self.discriminator_at[worker] = before[cycle[position - 1]]
            self.swaps = due

    def get_extra_state(self) -> Tensor:
        """Return what a checkpoint holds besides weights: swaps so far, and each worker's discriminator."""
        return torch.tensor([self.swaps, *self.discriminator_at])

    def set_extra_state(self, state: Tensor) -> None:
        """Restore what `get_extra_state` returned."""
        self.swaps, *self.discriminator_at = state.tolist()

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Generate `n` images of `z`."""
        z = conditions["z"] if "z" in conditions else self.sample_latents(n, rng)
        images: Tensor = self.generator(z.to(next(self.generator.parameters()).device))
        return images.float()

    @torch.no_grad()
    def score(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the mean of all discriminators' logits for `images`, shape [n]; higher means more real."""
        logits = []
        for discriminator in self.discriminators:
            training = discriminator.training
            logits.append(discriminator.eval()(images).float())
            discriminator.train(training)
        return torch.stack(logits).mean(dim=0)

    def trunk(self) -> nn.Module:
        """Return the first discriminator without its head, images [n, C, H, W] -> features [n, d]."""
        return DiscriminatorFeatures(self.discriminators[0].trunk, 1)

    def export(self) -> list[ExportSpec]:
        """Return the generator: z -> images."""
        return [ExportSpec("generator", self.generator, {"z": torch.zeros(2, self.latent)}, ("items",))]
