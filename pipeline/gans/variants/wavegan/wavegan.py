"""WaveGAN: Donahue, McAuley and Puckette, "Adversarial Audio Synthesis" (2019).

DCGAN's networks along time: filters of 25 samples instead of 5 x 5 pixels, strides of 4 instead of 2 x 2, and no batch
normalisation. A wave has the shape [B, 1, 1, samples], so the filters are one row high.

Transposed convolutions leave a ripple whose phase is always the same, and a discriminator could tell generated waves
by it alone. Phase shuffle (section 3.3) shifts the discriminator's feature maps by a few samples at random, so that
phases say nothing. The game is WGAN-GP.

Labels are an addition: an embedding next to z in the generator, and a projection in the discriminator (Miyato and
Koyama, "cGANs with Projection Discriminator", 2018). With `spectrogram_channels` the discriminator adds the logit of a
second network, which sees the spectrogram of the wave.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.networks.deterministic import reflection_pad
from pipeline.gans.networks.layers import MinibatchStd
from pipeline.gans.variants.wavegan.settings import STRIDE, WaveGANSettings, count_layers
from pipeline.gans.variants.wavegan.spectrogram_discriminator import SpectrogramDiscriminator
from pipeline.items import ItemSpec


def channel_widths(base: int, maximum: int, samples: int) -> list[int]:
    """Return the channels of the feature maps from the longest to the shortest."""
    return [min(base * 2**level, maximum) for level in range(count_layers(samples))]


class Generator(nn.Module):
    """z [B, latent] and, if conditional, labels [B] -> waves [B, 1, 1, samples] in (-1, 1)."""

    def __init__(self, settings: WaveGANSettings, samples: int, classes: int) -> None:
        super().__init__()
        channels = channel_widths(settings.generator_channels, settings.max_channels, samples)[::-1]
        first, kernel = samples // STRIDE ** len(channels), settings.kernel
        self.embedding = nn.Embedding(classes, settings.label_width) if classes else None
        inputs = settings.latent + (settings.label_width if classes else 0)
        layers: list[nn.Module] = [nn.Linear(inputs, channels[0] * first), nn.Unflatten(1, (channels[0], 1, first))]
        for wide, narrow in pairwise((*channels, 1)):
            # Padding and output padding make the result exactly four times as long.
            up = nn.ConvTranspose2d(
                wide, narrow, (1, kernel), (1, STRIDE), (0, (kernel - 3) // 2), output_padding=(0, 1)
            )
            layers += [nn.ReLU(), up]
        self.layers = nn.Sequential(*layers, nn.Tanh())

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        if self.embedding is not None and label is not None:
            z = torch.cat([z, self.embedding(label)], dim=1)
        waves: Tensor = self.layers(z)
        return waves


class PhaseShuffle(nn.Module):
    """Shifts maps [B, C, 1, L] by -n .. n samples in training, the same for a batch; the gap mirrors the edge."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, maps: Tensor) -> Tensor:
        if not (self.n and self.training):
            return maps
        # The default generator of the CPU, whose state checkpoints hold; nothing waits for a GPU.
        by = int(torch.randint(-self.n, self.n + 1, ()))
        start, length = max(0, -by), maps.shape[3]
        return reflection_pad(maps, (max(0, by), max(0, -by), 0, 0))[..., start : start + length]


class Discriminator(nn.Module):
    """Waves [B, packing, 1, samples] and, if conditional, labels [B] -> logits [B].

    Attributes:
        trunk: Waves -> the last feature maps.
    """

    def __init__(self, settings: WaveGANSettings, item: ItemSpec, classes: int) -> None:
        super().__init__()
        samples = item.width
        channels = channel_widths(settings.discriminator_channels, settings.max_channels, samples)
        kernel, last = settings.kernel, samples // STRIDE ** len(channels)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise((settings.stabilisers.packing, *channels)):
            layers += [nn.Conv2d(narrow, wide, (1, kernel), (1, STRIDE), (0, kernel // 2)), nn.LeakyReLU(0.2)]
            layers.append(PhaseShuffle(settings.phase_shuffle))
        self.trunk = nn.Sequential(*layers[:-1])
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.head = nn.Linear((channels[-1] + self.minibatch_std.extra) * last, 1, bias=False)
        self.embedding = nn.Embedding(classes, channels[-1] * last) if classes else None
        if self.embedding is not None:
            # Small compared with the features, so that the label does not dominate the wave at first.
            nn.init.normal_(self.embedding.weight, 0.0, 0.02)
        sees_spectrograms = settings.spectrogram_channels > 0
        self.spectrograms = SpectrogramDiscriminator(settings, item, classes) if sees_spectrograms else None

    def forward(self, waves: Tensor, label: Tensor | None = None) -> Tensor:
        maps = self.trunk(waves)
        logits: Tensor = self.head(self.minibatch_std(maps).flatten(1)).squeeze(1)
        if self.embedding is not None and label is not None:
            logits = logits + (self.embedding(label) * maps.flatten(1)).sum(dim=1)
        if self.spectrograms is not None:
            logits = logits + self.spectrograms(waves, label)
        return logits


class WaveGAN(Adversarial):
    """Two stacks of strided convolutions along time."""

    def __init__(self, settings: WaveGANSettings, item: ItemSpec) -> None:
        classes = len(item.classes) if settings.conditional else 0
        generator = Generator(settings, item.width, classes)
        discriminator = Discriminator(settings, item, classes)
        super().__init__(settings, generator, discriminator, classes if settings.conditional else None)
