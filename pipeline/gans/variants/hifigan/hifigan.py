"""HiFi-GAN: Kong, Kim and Bae, "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech
Synthesis" (2020).

The generator lengthens a log-mel spectrogram to a wave by transposed convolutions. After each follows a
multi-receptive-field fusion: residual blocks with filters of several lengths, whose results are averaged (section 2.2;
the blocks are those of V3). Two kinds of discriminators judge the wave: of periods, which see every p-th sample as one
column of a picture, and of scales, which see the wave and its averages (section 2.3). The losses are LSGAN, feature
matching, and 45 times the mean absolute error of the log-mel spectrogram (section 2.4).

With `rates` whose product is less than the hop, an inverse Fourier transform makes the wave (`inverse_stft.py`), and
`column_blocks` are residual blocks before the upsampling.

Three things differ from the paper. No layer has weight normalisation. With `adversarial_start` the spectrogram alone is
learned first, which is most of what a short training reaches. And `weights.spectrum` adds the error of the Fourier
transform at a shorter and a longer window.

Waves have the shape [B, 1, 1, samples]. The conditions of the variant are waves, too, of which it sees the spectrogram
only: so it is judged, applied and served like every restoration of waves. `vocoder` is the part after the spectrogram.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.errors import InputError
from pipeline.gans.base import GAN, Batch, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.objectives import OBJECTIVES
from pipeline.gans.networks.deterministic import reflection_pad
from pipeline.gans.variants.hifigan.column_blocks import ColumnBlock
from pipeline.gans.variants.hifigan.inverse_stft import SpectrumHead
from pipeline.gans.variants.hifigan.log_mel import LogMel
from pipeline.gans.variants.hifigan.settings import HiFiGANSettings
from pipeline.gans.variants.hifigan.spectral_error import SpectralError
from pipeline.items import ItemSpec

SLOPE = 0.1
NEPERS = math.log(10) / 20
"""Nepers of one decibel, in which the paper measures the error of spectrograms."""

Judged = list[tuple[Tensor, list[Tensor]]]
"""Logits [B, n] and feature maps of each discriminator."""


class ResidualBlock(nn.Module):
    """Dilated convolutions of one length, each added to its input, [B, channels, samples] (ResBlock2)."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel // 2))
            for dilation in dilations
        )

    def forward(self, maps: Tensor) -> Tensor:
        for layer in self.layers:
            maps = maps + layer(F.leaky_relu(maps, SLOPE))
        return maps


class Fusion(nn.Module):
    """Multi-receptive-field fusion: the mean of residual blocks with filters of several lengths."""

    def __init__(self, channels: int, settings: HiFiGANSettings) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(channels, kernel, dilations)
            for kernel, dilations in zip(settings.kernels, settings.dilations, strict=True)
        )

    def forward(self, maps: Tensor) -> Tensor:
        return torch.stack([block(maps) for block in self.blocks]).mean(dim=0)


class Generator(nn.Module):
    """Log-mel pictures [B, 1, mels, frames] in [-1, 1] -> waves [B, 1, samples] in (-1, 1)."""

    def __init__(self, settings: HiFiGANSettings, log_mel: LogMel) -> None:
        super().__init__()
        channels = [settings.generator_channels // 2**level for level in range(len(settings.rates) + 1)]
        layers: list[nn.Module] = [nn.Conv1d(log_mel.mels, channels[0], 7, padding=3)]
        layers += [ColumnBlock(channels[0], 1 / settings.column_blocks) for _ in range(settings.column_blocks)]
        for (wide, narrow), rate in zip(pairwise(channels), settings.rates, strict=True):
            # Filters of two strides; padding makes the result exactly `rate` times as long.
            up = nn.ConvTranspose1d(wide, narrow, 2 * rate, rate, (rate + 1) // 2, output_padding=rate % 2)
            layers += [nn.LeakyReLU(SLOPE), up, Fusion(narrow, settings)]
        hop = log_mel.hop // settings.length
        if hop == 1:
            layers += [nn.LeakyReLU(), nn.Conv1d(channels[-1], 1, 7, padding=3), nn.Tanh()]
        else:
            # Its windows overlap as often as those of the spectrogram.
            layers.append(SpectrumHead(channels[-1], log_mel.window // settings.length, hop))
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        waves: Tensor = self.layers(pictures[:, 0])
        return waves


class PeriodDiscriminator(nn.Module):
    """Waves [B, 1, samples] -> logits [B, n] and feature maps; filters along every p-th sample."""

    def __init__(self, settings: HiFiGANSettings, period: int) -> None:
        super().__init__()
        self.period, base = period, settings.discriminator_channels
        channels = [1, base, 4 * base, 16 * base, 32 * base]
        layers = [nn.Conv2d(narrow, wide, (5, 1), (3, 1), (2, 0)) for narrow, wide in pairwise(channels)]
        layers.append(nn.Conv2d(channels[-1], channels[-1], (5, 1), padding=(2, 0)))
        self.layers = nn.ModuleList(layers)
        self.head = nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0))

    def forward(self, waves: Tensor) -> tuple[Tensor, list[Tensor]]:
        missing = -waves.shape[2] % self.period
        padded = reflection_pad(waves, (0, missing))
        return judge(padded.reshape(len(waves), 1, -1, self.period), self.layers, self.head)


class ScaleDiscriminator(nn.Module):
    """Waves [B, 1, samples] -> logits [B, n] and feature maps; filters along the mean of neighbouring samples."""

    def __init__(self, settings: HiFiGANSettings, level: int) -> None:
        super().__init__()
        base = 4 * settings.discriminator_channels
        # (channels, filter, stride, groups) of the paper's code, for `discriminator_channels: 32`.
        shapes = [(1, 15, 1, 1), (1, 41, 2, 4), (2, 41, 2, 16), (4, 41, 4, 16), (8, 41, 4, 16), (8, 41, 1, 16)]
        shapes.append((8, 5, 1, 1))
        layers, narrow = [], 1
        for factor, kernel, stride, groups in shapes:
            wide = base * factor
            shared = math.gcd(groups, narrow, wide)
            layers.append(nn.Conv1d(narrow, wide, kernel, stride, kernel // 2, groups=shared))
            narrow = wide
        self.pool = nn.Sequential(*(nn.AvgPool1d(4, 2, 2) for _ in range(level)))
        self.layers = nn.ModuleList(layers)
        self.head = nn.Conv1d(narrow, 1, 3, padding=1)

    def forward(self, waves: Tensor) -> tuple[Tensor, list[Tensor]]:
        return judge(self.pool(waves), self.layers, self.head)


def judge(maps: Tensor, layers: nn.ModuleList, head: nn.Module) -> tuple[Tensor, list[Tensor]]:
    """Return the logits [B, n] of a discriminator and the maps of its layers."""
    features = []
    for layer in layers:
        maps = F.leaky_relu(layer(maps), SLOPE)
        features.append(maps)
    return head(maps).flatten(1), features


class Discriminator(nn.Module):
    """Waves [B, 1, 1, samples] -> logits and feature maps of each discriminator of a period or a scale."""

    def __init__(self, settings: HiFiGANSettings) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            [PeriodDiscriminator(settings, period) for period in settings.periods]
            + [ScaleDiscriminator(settings, level) for level in range(settings.scales)]
        )

    def forward(self, waves: Tensor) -> Judged:
        return [part(waves[:, 0]) for part in self.parts]


class HiFiGAN(GAN):
    """A vocoder against discriminators of periods and of scales."""

    task = "restore"
    preview_examples = 12
    preview_columns = 2
    advice: Mapping[str, str] = {
        "vanishing gradients": "lower train.learning_rate.discriminator, or raise model.weights.features",
        "divergence": "lower train.learning_rate, raise model.weights.mel, or set train.precision float32",
    }

    def __init__(self, settings: HiFiGANSettings, item: ItemSpec) -> None:
        super().__init__()
        self.log_mel = LogMel(item)
        if self.log_mel.hop % settings.length:
            raise InputError(
                f"model.rates {list(settings.rates)}: their product is {settings.length}, and data.hop is "
                f"{self.log_mel.hop}; set rates whose product is data.hop or divides it"
            )
        self.view = View("degraded", {"spectrogram": True})
        self.objective, self.weights, self.samples = OBJECTIVES[settings.objective], settings.weights, item.width
        self.start = settings.adversarial_start
        # A picture in [-1, 1] spans the decibels from the floor to full scale.
        self.nepers = NEPERS * -self.log_mel.floor / 2
        self.spectral_error = SpectralError((self.log_mel.window // 4, 2 * self.log_mel.window))
        self.generator = Generator(settings, self.log_mel)
        self.discriminator = Discriminator(settings)

    def phases(self) -> list[Phase]:
        """Return an update of the discriminators, from `adversarial_start` on, then one of the generator."""
        return [
            Phase("discriminator", ("discriminator",), self.discriminator_loss, "discriminator", start=self.start),
            Phase("generator", ("generator",), self.generator_loss, "generator"),
        ]

    def vocode(self, waves: Tensor) -> Tensor:
        """Return waves [B, 1, 1, samples] from the spectrograms of waves in the same shape."""
        made: Tensor = self.generator(self.log_mel(waves))
        return made[:, None].float()

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the objective on recorded and made waves, summed over the discriminators."""
        with torch.no_grad():
            made = self.vocode(batch["input"])
        real, fake = self.discriminator(batch["target"]), self.discriminator(made)
        logits = [(x.float(), y.float()) for (x, _), (y, _) in zip(real, fake, strict=True)]
        total = torch.stack([self.objective.discriminator(x, y, 0.0) for x, y in logits]).sum()
        terms = {
            "loss_discriminator": total,
            "d_real": torch.stack([x.sigmoid().mean() for x, _ in logits]).mean(),
            "d_fake": torch.stack([y.sigmoid().mean() for _, y in logits]).mean(),
            "d_accuracy": torch.stack([(x > y).float().mean() for x, y in logits]).mean(),
        }
        return Loss(total, terms)

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the weighted sum of the error of the spectrogram, feature matching and the adversarial losses."""
        target = batch["target"]
        made = self.vocode(batch["input"])
        error = F.l1_loss(self.log_mel(made), self.log_mel(target)) * self.nepers
        total, terms = self.weights.mel * error, {"loss_mel": error}
        if self.weights.spectrum:
            terms["loss_spectrum"] = self.spectral_error(made, target)
            total = total + self.weights.spectrum * terms["loss_spectrum"]
        if progress.reached(self.start):
            fake = self.discriminator(made)
            with torch.no_grad():
                real = self.discriminator(target)
            pairs = list(zip(real, fake, strict=True))
            logits = [(x.float(), y.float()) for (x, _), (y, _) in pairs]
            adversarial = torch.stack([self.objective.generator(x, y) for x, y in logits]).sum()
            maps = [(a, b) for (_, ours), (_, theirs) in pairs for a, b in zip(ours, theirs, strict=True)]
            matching = torch.stack([F.l1_loss(b.float(), a.float()) for a, b in maps]).sum()
            total = total + self.weights.features * matching + self.weights.adversarial * adversarial
            terms |= {"loss_features": matching, "loss_adversarial": adversarial}
        return Loss(total, {"loss_generator": total, **terms})

    def evaluation_views(self) -> Mapping[str, View]:
        """Return held-out waves of which only the spectrogram is known."""
        return {"spectrogram": self.view}

    def selection_metric(self, progress: Progress) -> str:
        """Select by the error of the spectrogram, which says nothing of the phases."""
        return "mel_error"

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Make waves from the spectrograms of the waves of the condition `item`."""
        return self.vocode(conditions["item"].to(next(self.generator.parameters()).device))

    def preview(self, n: int, rng: torch.Generator, examples: Batch) -> Tensor:
        """Return one row per example: made, recorded."""
        made = self.sample(n, rng, item=examples["input"])
        return torch.stack([made, examples["target"]], dim=1).flatten(0, 1)

    def vocoder(self) -> nn.Module:
        """Return the generator."""
        return self.generator

    def export(self) -> list[ExportSpec]:
        """Return spectrogram and generator as one graph, for waves of the length that it was trained on."""
        return [ExportSpec("generator", Resynthesis(self), {"item": torch.zeros(2, 1, 1, self.samples)}, ("items",))]


class Resynthesis(nn.Module):
    """Waves [B, 1, 1, samples] -> waves from their spectrograms, in the same shape."""

    def __init__(self, gan: HiFiGAN) -> None:
        super().__init__()
        self.log_mel, self.generator = gan.log_mel, gan.generator

    def forward(self, item: Tensor) -> Tensor:
        made: Tensor = self.generator(self.log_mel(item))
        return made[:, None]
