"""StyleGAN2: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020).

A mapping turns z into a style w, and every layer of the synthesis has its own place for one. While training, most images mix the
styles of two latents, a running mean of w is kept for truncation, and steps in w are held to steps of a like size in the image
(path length regularisation). Non-saturating loss and lazy R1 are the published choice; any objective, penalty and stabiliser works.
"""

from dataclasses import replace

import torch
from torch import Tensor

from pipeline.gans.base import Batch, ExportSpec, Loss, Phase, Progress
from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.variants.stylegan2.settings import StyleGAN2Settings
from pipeline.gans.variants.stylegan2.stylegan2_networks import (
    Discriminator,
    EqualisedConv,
    EqualisedLinear,
    Generator,
)
from pipeline.items import ItemSpec

PATH_DECAY = 0.01
"""How fast the path length that the generator is held to follows its mean (appendix B)."""


class StyleGAN2(Adversarial):
    """Buffers beside the networks: `path_mean`, the running mean of path lengths."""

    generator: Generator
    path_mean: Tensor

    def __init__(self, settings: StyleGAN2Settings, item: ItemSpec) -> None:
        super().__init__(settings, Generator(settings, item), Discriminator(settings, item))
        self.style_mixing, self.path_length = settings.style_mixing, settings.path_length
        self.register_buffer("path_mean", torch.zeros(()))
        if self.stabilisers.spectral_norm:
            # It brings every weight to unit norm; scaled down once more, a signal would fade from layer to layer.
            for layer in self.discriminator.modules():
                if isinstance(layer, EqualisedConv | EqualisedLinear):
                    layer.gain = 1.0

    def phases(self) -> list[Phase]:
        """The game's, and every few steps the path length in an update of its own, with the same correction as lazy penalties."""
        weight, every = self.path_length.weight, self.path_length.every
        if weight == 0:
            return super().phases()
        share = every / (every + 1)
        corrected = [
            replace(phase, lr_scale=share, beta_power=share) if phase.name == "generator" else phase
            for phase in super().phases()
        ]
        lazy = Phase(
            "path_length",
            ("generator",),
            self.path_length_loss,
            "generator",
            lr_scale=share,
            beta_power=share,
            every=every,
        )
        return [*corrected, lazy]

    def styles(self, n: int, rng: torch.Generator) -> Tensor:
        """Styles [n, layers, width] of new latents: of one, or up to a random layer of one and of another from there on (mixing)."""
        layers = self.generator.synthesis.layers
        w = self.generator.mapping(self.latents(n, rng))
        self.generator.observe(w)
        other = self.generator.mapping(self.latents(n, rng))
        mixed = torch.rand(n, generator=rng, device=rng.device) < self.style_mixing
        crossover = torch.randint(1, layers, (n,), generator=rng, device=rng.device).where(mixed, layers)
        own = torch.arange(layers, device=rng.device) < crossover[:, None]
        return torch.where(own[:, :, None], w[:, None], other[:, None])

    def generate(self, n: int, label: Tensor | None, rng: torch.Generator) -> Tensor:
        synthesis = self.generator.synthesis
        return synthesis.render(self.styles(n, rng), synthesis.noise(n, rng)).float()

    def path_length_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """weight (|J_w^T y| - a)^2, a the running mean of the lengths, on half a batch, `every` times as strong (section 3.2, eq. 4)."""
        n, synthesis = max(1, len(batch["image"]) // 2), self.generator.synthesis
        w = self.styles(n, rng)
        lengths = path_lengths(synthesis.render(w, synthesis.noise(n, rng)).float(), w, rng)
        with torch.no_grad():
            self.path_mean.lerp_(lengths.mean(), PATH_DECAY)
        # A clone: the next update in place must not change what this loss's gradient reads.
        penalty = (lengths - self.path_mean.clone()).square().mean()
        return Loss(
            self.path_length.every * self.path_length.weight * penalty,
            {"path_length": lengths.mean(), "path_penalty": penalty},
        )

    @torch.no_grad()
    def clip_weights(self) -> None:
        """Arjovsky 2017 on the weights as they are used, which is after scaling."""
        for layer in self.discriminator.modules():
            for name, values in layer.named_parameters(recurse=False):
                bound = self.penalties.clip / (layer.gain if name == "weight" else 1.0)
                values.clamp_(-bound, bound)

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Under the fixed noise and unmixed, as the exported graph; `psi` float [n] truncates, and is 1 where it is not given."""
        device = self.generator.w_average.device
        z = conditions["z"] if "z" in conditions else self.latents(n, rng)
        images: Tensor = self.generator(z.to(device), conditions.get("psi", torch.ones(n)).to(device))[0]
        return images.float()

    def export(self) -> list[ExportSpec]:
        """z and psi to images and styles; and styles to images, so that whoever has the styles of two latents can mix them."""
        synthesis, width = self.generator.synthesis, len(self.generator.w_average)
        return [
            ExportSpec(
                "generator", self.generator, {"z": torch.zeros(2, self.latent), "psi": torch.ones(2)}, ("images", "w")
            ),
            ExportSpec("synthesis", synthesis, {"w": torch.zeros(2, synthesis.layers, width)}, ("images",)),
        ]


def path_lengths(images: Tensor, w: Tensor, rng: torch.Generator) -> Tensor:
    """|J_w^T y| [n] of images [n, C, H, W] made from styles w [n, layers, width]: y is noise over the square root of the pixels, and the
    square of the length is the mean over the layers. Differentiable."""
    y = torch.randn(images.shape, generator=rng, device=images.device) / (images.shape[2] * images.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((images * y).sum(), w, create_graph=True)
    # The root has no gradient at zero.
    return (gradient.square().sum(dim=2).mean(dim=1) + 1e-12).sqrt()
