"""SEGAN: Pascual, Bonafonte and Serra, "SEGAN: Speech Enhancement Generative Adversarial Network" (2017).

The generator maps a noisy wave to a clean one. Strided convolutions shorten the wave, and transposed ones lengthen it
again; each layer of the decoder also sees the output of its mirror image in the encoder. The discriminator sees a clean
or restored wave together with the noisy one. The losses are LSGAN and 100 times the mean absolute error.

Two things differ from the paper. There is no z: the authors' generator learned to ignore it. And there is no virtual
batch normalisation. Waves have the shape [B, 1, 1, samples], so the filters are one row high. With `networks: spectrum`
the generator masks a Fourier transform (`spectral.py`), which takes far fewer examples to learn.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from pipeline.gans.base import GAN, Batch, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.objectives import OBJECTIVES
from pipeline.gans.variants.segan.settings import SEGANSettings
from pipeline.gans.variants.segan.spectral import Fourier, SpectralGenerator
from pipeline.items import ItemSpec

SMALLEST = 1e-6
"""Energy below which a wave counts as silent."""


def channel_widths(base: int, settings: SEGANSettings) -> list[int]:
    """Return the channels of each layer: doubled whenever the wave is four times shorter."""
    every = 1 if settings.stride == 4 else 2
    return [min(base * 2 ** (level // every), settings.max_channels) for level in range(settings.layers)]


class Generator(nn.Module):
    """Noisy waves [B, 1, 1, samples] -> restored waves in (-1, 1), in the same shape."""

    def __init__(self, settings: SEGANSettings) -> None:
        super().__init__()
        kernel, stride = settings.kernel, settings.stride
        channels = [1, *channel_widths(settings.generator_channels, settings)]
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(narrow, wide, (1, kernel), (1, stride), (0, kernel // 2)), nn.PReLU(wide))
            for narrow, wide in pairwise(channels)
        )
        # Padding and output padding make each result exactly `stride` times as long.
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(
                    wide * (1 if level == settings.layers - 1 else 2),
                    narrow,
                    (1, kernel),
                    (1, stride),
                    (0, (kernel - stride + 1) // 2),
                    output_padding=(0, (kernel - stride) % 2),
                ),
                nn.PReLU(narrow) if level else nn.Tanh(),
            )
            for level, (narrow, wide) in reversed(list(enumerate(pairwise(channels))))
        )

    def forward(self, item: Tensor) -> Tensor:
        seen: list[Tensor] = []
        for layer in self.down:
            item = layer(item)
            seen.append(item)
        for number, layer in enumerate(self.up):
            item = layer(item if number == 0 else torch.cat([item, seen[-1 - number]], dim=1))
        return item


class Discriminator(nn.Module):
    """Pairs of a clean or restored wave and the noisy one, [B, 1, 1, samples] each -> logits [B]."""

    def __init__(self, settings: SEGANSettings, samples: int) -> None:
        super().__init__()
        channels = [2, *channel_widths(settings.discriminator_channels, settings)]
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(channels):
            layers += [
                nn.Conv2d(narrow, wide, (1, settings.kernel), (1, settings.stride), (0, settings.kernel // 2)),
                nn.LeakyReLU(0.3),
            ]
        self.trunk = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 1), nn.Flatten())
        self.head = nn.Linear(samples // settings.stride**settings.layers, 1)

    def forward(self, waves: Tensor, noisy: Tensor) -> Tensor:
        logits: Tensor = self.head(self.trunk(torch.cat([waves, noisy], dim=1)))
        return logits.squeeze(1)


def si_sdr(waves: Tensor, originals: Tensor) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio of waves [B, 1, 1, samples] in decibels, [B]."""
    ours, theirs = (x.flatten(1) - x.flatten(1).mean(dim=1, keepdim=True) for x in (waves, originals))
    scale = (ours * theirs).sum(dim=1, keepdim=True) / theirs.square().sum(dim=1, keepdim=True).clamp(min=SMALLEST)
    target = scale * theirs
    signal, distortion = (x.square().sum(dim=1).clamp(min=SMALLEST) for x in (target, ours - target))
    return 10 * torch.log10(signal / distortion)


class SEGAN(GAN):
    """An encoder and a decoder against a discriminator of pairs."""

    task = "restore"
    preview_examples = 12
    preview_columns = 3
    advice: Mapping[str, str] = {
        "vanishing gradients": "lower train.learning_rate.discriminator, or model.weights.adversarial",
        "divergence": "lower train.learning_rate, raise model.weights.l1, or set train.precision float32",
    }

    def __init__(self, settings: SEGANSettings, item: ItemSpec) -> None:
        super().__init__()
        kinds = settings.degradation.model_dump()
        self.view = View("degraded", {kind: tuple(limits) for kind, limits in kinds.items() if limits is not None})
        self.objective, self.weights, self.samples = OBJECTIVES[settings.objective], settings.weights, item.width
        self.generator = (SpectralGenerator if settings.networks == "spectrum" else Generator)(settings)
        self.discriminator = Discriminator(settings, item.width)
        self.fourier = Fourier(settings.window)

    def phases(self) -> list[Phase]:
        """Return an update of the discriminator, then one of the generator."""
        return [
            Phase("discriminator", ("discriminator",), self.discriminator_loss, "discriminator"),
            Phase("generator", ("generator",), self.generator_loss, "generator"),
        ]

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the objective on clean and restored waves, each next to the noisy one."""
        noisy = batch["input"]
        with torch.no_grad():
            restored = self.generator(noisy).float()
        real, fake = (self.discriminator(waves, noisy).float() for waves in (batch["target"], restored))
        total = self.objective.discriminator(real, fake, 0.0)
        terms = {
            "loss_discriminator": total,
            "d_real": real.sigmoid().mean(),
            "d_fake": fake.sigmoid().mean(),
            "d_accuracy": (real > fake).float().mean(),
        }
        return Loss(total, terms)

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the weighted sum of the mean absolute error and the adversarial loss."""
        noisy, clean = batch["input"], batch["target"]
        restored = self.generator(noisy).float()
        error, fake = l1_loss(restored, clean), self.discriminator(restored, noisy).float()
        with torch.no_grad():
            real = self.discriminator(clean, noisy).float() if self.objective.paired else fake
        adversarial = self.objective.generator(real, fake)
        total = self.weights.l1 * error + self.weights.adversarial * adversarial
        terms = {"loss_l1": error, "loss_adversarial": adversarial}
        if self.weights.spectrum:
            ours, theirs = (self.fourier.levels(self.fourier(waves)) for waves in (restored, clean))
            terms["loss_spectrum"] = l1_loss(ours, theirs)
            total = total + self.weights.spectrum * terms["loss_spectrum"]
        if self.weights.si_sdr:
            terms["si_sdr"] = si_sdr(restored, clean).mean()
            total = total - self.weights.si_sdr * terms["si_sdr"]
        return Loss(total, {"loss_generator": total, **terms})

    def evaluation_views(self) -> Mapping[str, View]:
        """Return each kind of degradation at the middle of its range and at its worst, as in "snr 5"."""
        views = {}
        for kind, (low, high) in self.view.options.items():
            for strength in dict.fromkeys(((low + high) / 2, low)):
                views[f"{kind} {strength:g}"] = View("degraded", {kind: (strength, strength)})
        return views

    def selection_metric(self, progress: Progress) -> str:
        """Select by the error of restored waves."""
        return "rmse"

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Restore the noisy waves of the condition `item`."""
        waves: Tensor = self.generator(conditions["item"].to(next(self.generator.parameters()).device))
        return waves.float()

    def preview(self, n: int, rng: torch.Generator, examples: Batch) -> Tensor:
        """Return one row per example: degraded, restored, clean."""
        restored = self.sample(n, rng, item=examples["input"])
        return torch.stack([examples["input"], restored, examples["target"]], dim=1).flatten(0, 1)

    def export(self) -> list[ExportSpec]:
        """Return the generator, for waves of the length that it was trained on."""
        return [ExportSpec("generator", self.generator, {"item": torch.zeros(2, 1, 1, self.samples)}, ("items",))]
