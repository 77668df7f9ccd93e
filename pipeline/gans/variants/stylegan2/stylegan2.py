"""StyleGAN2: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020).

A mapping network turns z into a style w, which modulates every layer of the synthesis network. In training, most images
mix the styles of two latents, and a moving average of w is kept for truncation. Path length regularisation makes a step
in w change the image by an amount that does not depend on where it is taken. The published game is the non-saturating
loss with lazy R1; any other objective, penalty and stabiliser works too.

With labels, both networks take them as in Karras et al., "Training Generative Adversarial Networks with Limited Data"
(2020, StyleGAN2-ADA): an embedding next to z in the mapping network, and a projection discriminator.
"""

from dataclasses import replace

import torch
from torch import Tensor

from pipeline.gans.base import Batch, ExportSpec, Loss, Phase, Progress
from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.variants.stylegan2.settings import StyleGAN2Settings
from pipeline.gans.variants.stylegan2.stylegan2_layers import EqualisedConv, EqualisedLinear, ModulatedConv
from pipeline.gans.variants.stylegan2.stylegan2_networks import Discriminator, Generator
from pipeline.items import ItemSpec
from pipeline.shared_batch import smaller_batch, whole

PATH_DECAY = 0.01
"""Weight of a batch in the moving average of path lengths (appendix B)."""


class StyleGAN2(Adversarial):
    """The buffer `path_mean` is the moving average of path lengths."""

    generator: Generator
    path_mean: Tensor

    def __init__(self, settings: StyleGAN2Settings, item: ItemSpec) -> None:
        classes = len(item.classes) if settings.conditional else 0
        networks = Generator(settings, item, classes), Discriminator(settings, item, classes)
        super().__init__(settings, *networks, classes if settings.conditional else None)
        self.style_mixing, self.path_length = settings.style_mixing, settings.path_length
        self.register_buffer("path_mean", torch.zeros(()))
        if self.stabilisers.spectral_norm:
            # Spectral normalisation already scales the weights; scaling them again would make the signal fade.
            for layer in self.discriminator.modules():
                if isinstance(layer, EqualisedConv | EqualisedLinear):
                    layer.gain = 1.0

    def phases(self) -> list[Phase]:
        """Return the updates of the game, and lazy path length regularisation in an update of its own.

        Adam's rate and betas are corrected as for lazy penalties (appendix B).
        """
        weight, every = self.path_length.weight, self.path_length.every
        if weight == 0:
            return super().phases()
        correction = every / (every + 1)
        phases = [
            replace(phase, lr_scale=correction, beta_power=correction) if phase.name == "generator" else phase
            for phase in super().phases()
        ]
        path_length = Phase(
            "path_length",
            ("generator",),
            self.path_length_loss,
            "generator",
            lr_scale=correction,
            beta_power=correction,
            every=every,
        )
        return [*phases, path_length]

    def sample_styles(self, n: int, rng: torch.Generator, label: Tensor | None = None) -> Tensor:
        """Draw styles [n, layers, width] with style mixing, and update the moving average of w.

        With the probability `style_mixing`, the layers from a random one on take the style of a second latent of the
        same label.
        """
        layers = self.generator.synthesis.layers
        w = self.generator.mapping(self.sample_latents(n, rng), label)
        self.generator.update_w_average(w, label)
        second = self.generator.mapping(self.sample_latents(n, rng), label)
        mixed = torch.rand(n, generator=rng, device=rng.device) < self.style_mixing
        crossover = torch.randint(1, layers, (n,), generator=rng, device=rng.device).where(mixed, layers)
        is_first = torch.arange(layers, device=rng.device) < crossover[:, None]
        return torch.where(is_first[:, :, None], w[:, None], second[:, None])

    def generate(self, n: int, label: Tensor | None, rng: torch.Generator) -> Tensor:
        """Generate images of `n` new latents with style mixing and new noise, as in training; differentiable."""
        synthesis = self.generator.synthesis
        return synthesis.render(self.sample_styles(n, rng, label), synthesis.sample_noise(n, rng)).float()

    def path_length_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return weight (|J_w^T y| - a)^2 on half a batch, `every` times as strong (section 3.2, eq. 4).

        a is the moving average of the lengths.
        """
        n, synthesis = max(1, len(batch["item"]) // 2), self.generator.synthesis
        label = batch["label"][:n] if self.classes else None
        with smaller_batch(n):
            w = self.sample_styles(n, rng, label)
            lengths = path_lengths(synthesis.render(w, synthesis.sample_noise(n, rng)).float(), w, rng)
            with torch.no_grad():
                self.path_mean.lerp_(whole(lengths).mean(), PATH_DECAY)
        # A clone, because the next in-place update would change what this loss's gradient reads.
        penalty = (lengths - self.path_mean.clone()).square().mean()
        total = self.path_length.every * self.path_length.weight * penalty
        return Loss(total, {"path_length": lengths.mean(), "path_penalty": penalty})

    @torch.no_grad()
    def clip_weights(self) -> None:
        """Clip the discriminator's weights (Arjovsky 2017) after equalised scaling, that is, as they are used.

        Frozen weights stay as they are.
        """
        for layer in self.discriminator.modules():
            for name, values in layer.named_parameters(recurse=False):
                if values.requires_grad:
                    bound = self.penalties.clip / (layer.gain if name == "weight" else 1.0)
                    values.clamp_(-bound, bound)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Generate `n` images with fixed noise and without mixing, as the exported graph does.

        The condition `psi`, float [n], is the truncation; 1, its default, disables it.
        """
        device = self.generator.w_average.device
        z = conditions["z"] if "z" in conditions else self.sample_latents(n, rng)
        inputs = [z, conditions.get("psi", torch.ones(n))]
        if self.classes:
            inputs.append(conditions["label"] if "label" in conditions else self.draw_condition(n, rng))
        images: Tensor = self.generator(*(values.to(device) for values in inputs))[0]
        return images.float()

    def encode(self, z: Tensor, label: Tensor) -> Tensor:
        """Return the styles [n, layers, width] of z, without truncation."""
        w: Tensor = self.generator.mapping(z, label if self.classes else None)
        return w[:, None].expand(-1, self.generator.synthesis.layers, -1)

    def render(self, latents: Tensor, label: Tensor) -> Tensor:
        """Return the images of styles with fixed noise, unbounded. Styles contain the label."""
        synthesis = self.generator.synthesis
        return synthesis.render(latents, [conv.get_buffer("noise") for conv in synthesis.convs]).float()

    def style_weights(self) -> Tensor:
        """Return the weights [outputs, width] of the affine layers that turn w into the scales of channels."""
        layers = [layer for layer in self.generator.synthesis.modules() if isinstance(layer, ModulatedConv)]
        return torch.cat([layer.affine.weight * layer.affine.gain for layer in layers])

    def export(self) -> list[ExportSpec]:
        """Return `generator`, z, psi and labels -> images and styles, and `synthesis`, styles -> images.

        The second one renders styles that were mixed, edited or found for a picture.
        """
        synthesis, width = self.generator.synthesis, self.generator.w_average.shape[-1]
        latents = {"z": torch.zeros(2, self.latent), "psi": torch.ones(2)}
        latents |= {"label": torch.zeros(2, dtype=torch.int64)} if self.classes else {}
        styles = {"w": torch.zeros(2, synthesis.layers, width)}
        return [
            ExportSpec("generator", self.generator, latents, ("items", "w")),
            ExportSpec("synthesis", synthesis, styles, ("items",)),
        ]


def path_lengths(images: Tensor, w: Tensor, rng: torch.Generator) -> Tensor:
    """Return |J_w^T y|, [n], of images [n, C, H, W] made from styles w [n, layers, width]; differentiable.

    y is Gaussian noise over the square root of the number of pixels. The squared length is averaged over the layers.
    """
    y = torch.randn(images.shape, generator=rng, device=images.device) / (images.shape[2] * images.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((images * y).sum(), w, create_graph=True)
    # The root has no gradient at zero.
    return (gradient.square().sum(dim=2).mean(dim=1) + 1e-12).sqrt()
