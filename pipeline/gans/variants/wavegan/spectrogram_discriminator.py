"""A discriminator of spectrograms, next to that of waves.

WaveGAN's discriminator sees single samples, whose phases say nothing about a sound. The vocoders therefore also judge
spectrograms (Jang et al., "UnivNet", 2021, section 2.2). Here it is a small stack of strided convolutions.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.gans.networks.layers import MinibatchStd
from pipeline.gans.variants.hifigan.log_mel import LogMel
from pipeline.gans.variants.wavegan.settings import WaveGANSettings
from pipeline.items import ItemSpec

QUIET = 0.01
"""Amplitude of a band below which it is seen on a linear scale."""
LAYERS = 3
"""Layers, each of which halves the bands and the frames."""


class SpectrogramDiscriminator(nn.Module):
    """Waves [B, 1, 1, samples] and, if conditional, labels [B] -> logits [B].

    Raises:
        InputError: The spectrogram is too small for the layers.
    """

    def __init__(self, settings: WaveGANSettings, item: ItemSpec, classes: int) -> None:
        super().__init__()
        self.log_mel = LogMel(item)
        bands, frames, base = self.log_mel.mels, item.width // self.log_mel.hop, settings.spectrogram_channels
        if min(bands, frames) < 2**LAYERS:
            raise InputError(
                f"model.spectrogram_channels {base}: the spectrogram has {bands} bands and {frames} frames, and needs "
                f"at least {2**LAYERS} of each; raise data.mels or lower data.hop, or set spectrogram_channels: 0"
            )
        channels = [1, *(base * 2**level for level in range(LAYERS))]
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(channels):
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        width = channels[-1] * (bands >> LAYERS) * (frames >> LAYERS)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.head = nn.Linear(width + self.minibatch_std.extra, 1, bias=False)
        self.embedding = nn.Embedding(classes, width) if classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, 0.02)

    def forward(self, waves: Tensor, label: Tensor | None = None) -> Tensor:
        features = self.layers(2 * self.compress(waves) - 1)
        logits: Tensor = self.head(self.minibatch_std(features)).squeeze(1)
        if self.embedding is not None and label is not None:
            logits = logits + (self.embedding(label) * features).sum(dim=1)
        return logits

    def compress(self, waves: Tensor) -> Tensor:
        """Return the loudness of each band over time, [B, 1, mels, frames], from 0 for silence to 1 for full scale.

        Decibels would have steep gradients near silence, which gradient penalties punish. This logarithm is linear
        there.
        """
        return (torch.log1p(self.log_mel.bands(waves) / QUIET) / math.log1p(1 / QUIET))[:, None]
