"""DCGAN: Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional GANs" (2015).

Strided convolutions instead of pooling, no hidden dense layers, batch normalisation in both networks but for the
generator's output and the discriminator's input, ReLU in the generator, leaky ReLU 0.2 in the discriminator, tanh at
the end, weights from N(0, 0.02). The depth follows the resolution: doublings from 4x4 up to `resolution`, from 2x2 at 8 pixels,
where a single doubling would leave two layers.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.gans.base import GAN, Batch, ExportSpec, ImageSpec, Loss, Phase
from pipeline.gans.objectives import OBJECTIVES
from pipeline.gans.penalties import zero_centred
from pipeline.gans.settings import DCGANSettings


def smallest(resolution: int) -> int:
    """Side of the first feature map of the generator and the last of the discriminator."""
    return min(4, resolution // 4)


def widths(base: int, maximum: int, resolution: int) -> list[int]:
    """Channels at resolution/2, resolution/4, ..., `smallest`: doubled at each step up to `maximum`."""
    return [min(base * 2**level, maximum) for level in range(int(math.log2(resolution // smallest(resolution))))]


class Generator(nn.Module):
    """z [B, latent] -> images [B, C, R, R] in (-1, 1)."""

    def __init__(self, settings: DCGANSettings, image: ImageSpec) -> None:
        super().__init__()
        channels = widths(settings.generator_channels, settings.max_channels, image.resolution)[::-1]
        layers: list[nn.Module] = [
            nn.Unflatten(1, (settings.latent, 1, 1)),
            nn.ConvTranspose2d(settings.latent, channels[0], smallest(image.resolution), bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(),
        ]
        for wide, narrow in pairwise(channels):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
        layers += [nn.ConvTranspose2d(channels[-1], image.channels, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(z)
        return images


class Discriminator(nn.Module):
    """Images [B, C, R, R] in [-1, 1] -> logits [B]; positive means real."""

    def __init__(self, settings: DCGANSettings, image: ImageSpec) -> None:
        super().__init__()
        channels = widths(settings.discriminator_channels, settings.max_channels, image.resolution)
        normalised = settings.discriminator_norm == "batch"
        layers: list[nn.Module] = [nn.Conv2d(image.channels, channels[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for narrow, wide in pairwise(channels):
            layers.append(nn.Conv2d(narrow, wide, 4, 2, 1, bias=not normalised))
            if normalised:
                layers.append(nn.BatchNorm2d(wide))
            layers.append(nn.LeakyReLU(0.2))
        layers += [nn.Conv2d(channels[-1], 1, smallest(image.resolution)), nn.Flatten(0)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images).float()
        return logits


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), batch-normalisation scales from N(1, 0.02), biases 0 (Radford 2015, section 4)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d) and module.bias is not None:
        nn.init.zeros_(module.bias)


class DCGAN(GAN):
    """DCGAN under any adversarial objective, with optional R1 and R2."""

    view = "unlabelled"

    def __init__(self, settings: DCGANSettings, image: ImageSpec) -> None:
        super().__init__()
        self.latent = settings.latent
        self.objective = OBJECTIVES[settings.objective]
        self.penalties = settings.penalties
        self.generator = Generator(settings, image).apply(initialise)
        self.discriminator = Discriminator(settings, image).apply(initialise)

    def phases(self) -> list[Phase]:
        return [
            Phase("discriminator", ("discriminator",), self.discriminator_loss, role="discriminator"),
            Phase("generator", ("generator",), self.generator_loss, role="generator"),
        ]

    def latents(self, n: int, rng: torch.Generator) -> Tensor:
        """z ~ N(0, I) on the random generator's device, float32 [n, latent]."""
        return torch.randn(n, self.latent, generator=rng, device=rng.device)

    def discriminator_loss(self, batch: Batch, step: int, rng: torch.Generator) -> Loss:
        real = batch["image"]
        with torch.no_grad():
            fake = self.generator(self.latents(len(real), rng)).float()
        penalised = step % self.penalties.every == 0
        r1_weight, r2_weight = (weight * self.penalties.every / 2 if penalised else 0.0 for weight in (self.penalties.r1, self.penalties.r2))
        real_logits = self.discriminator(real.requires_grad_(r1_weight > 0))
        fake_logits = self.discriminator(fake.requires_grad_(r2_weight > 0))
        total = self.objective.discriminator(real_logits, fake_logits)
        terms = {"loss_discriminator": total, "d_real": real_logits.sigmoid().mean(), "d_fake": fake_logits.sigmoid().mean()}
        if r1_weight > 0:
            terms["r1"] = zero_centred(real_logits, real)
            total = total + r1_weight * terms["r1"]
        if r2_weight > 0:
            terms["r2"] = zero_centred(fake_logits, fake)
            total = total + r2_weight * terms["r2"]
        return Loss(total, terms)

    def generator_loss(self, batch: Batch, step: int, rng: torch.Generator) -> Loss:
        real = batch["image"]
        fake_logits = self.discriminator(self.generator(self.latents(len(real), rng)))
        with torch.no_grad():
            real_logits = self.discriminator(real)
        total = self.objective.generator(real_logits, fake_logits)
        return Loss(total, {"loss_generator": total})

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        device = next(self.generator.parameters()).device
        images: Tensor = self.generator(self.latents(n, rng).to(device))
        return images.float()

    def export(self) -> list[ExportSpec]:
        return [ExportSpec("generator", self.generator, {"z": torch.zeros(2, self.latent)}, ("images",))]
