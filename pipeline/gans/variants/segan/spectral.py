"""A generator of SEGAN that masks the Fourier transform of a noisy wave.

White noise lies at all frequencies and speech at few, so most of the noise goes if a network says how much of each
frequency to keep at each time. Phases stay those of the noisy wave (Wang and Chen, "Supervised Speech Separation Based
on Deep Learning: An Overview", 2018). The noisy wave passes with a mask of ones, so the networks learn only what to
remove.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.gans.variants.segan.settings import OVERLAP, SEGANSettings

DILATIONS = (1, 2, 4, 8)
"""Distances of the taps of each block over time, in columns."""
SMALLEST = 1e-4
"""Power below which a frequency counts as silent."""
SCALE = 4.0
"""Divisor of logarithms of magnitudes."""


class Fourier(nn.Module):
    """Waves [B, 1, 1, samples] -> their spectrum, real then imaginary parts, [B, 2 * bins, columns]."""

    filters: Tensor

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window, self.hop, self.bins = window, window // OVERLAP, window // 2 + 1
        # Each sample lies in as many windows as overlap, at both ends too.
        self.margin = self.window - self.hop
        self.register_buffer("filters", transform_filters(window), persistent=False)

    def forward(self, waves: Tensor) -> Tensor:
        return F.conv1d(F.pad(waves[:, 0], (self.margin, self.margin)), self.filters, stride=self.hop)

    def levels(self, spectrum: Tensor) -> Tensor:
        """Return the logarithms of the magnitudes of a spectrum, [B, bins, columns]."""
        power = spectrum[:, : self.bins].square() + spectrum[:, self.bins :].square()
        return power.clamp(min=SMALLEST).log() / 2


class SpectralGenerator(nn.Module):
    """Noisy waves [B, 1, 1, samples] -> restored waves in the same shape."""

    inverse: Tensor

    def __init__(self, settings: SEGANSettings) -> None:
        super().__init__()
        self.fourier = Fourier(settings.window)
        bins, width = self.fourier.bins, settings.generator_channels
        self.register_buffer("inverse", inverse_filters(settings.window), persistent=False)
        self.first = nn.Conv1d(bins, width, 3, padding=1)
        self.overall = nn.Linear(width, width)
        self.blocks = nn.ModuleList(TimeBlock(width, dilation) for dilation in DILATIONS)
        self.mask = nn.Conv1d(width, bins, 1)

    def forward(self, item: Tensor) -> Tensor:
        spectrum = self.fourier(item)
        steps = self.first(self.fourier.levels(spectrum) / SCALE)
        steps = steps + self.overall(F.leaky_relu(steps, 0.2).mean(dim=2))[:, :, None]
        for block in self.blocks:
            steps = block(steps)
        mask = (self.mask(F.leaky_relu(steps, 0.2)) + 1).sigmoid()
        waves = F.conv_transpose1d(torch.cat([mask, mask], dim=1) * spectrum, self.inverse, stride=self.fourier.hop)
        return waves[:, :, self.fourier.margin : -self.fourier.margin][:, None]


class TimeBlock(nn.Module):
    """A residual block over time, [B, width, columns]."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.near = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, steps: Tensor) -> Tensor:
        changed: Tensor = steps + self.mix(F.leaky_relu(self.near(F.leaky_relu(steps, 0.2)), 0.2))
        return changed


def transform_filters(window: int) -> Tensor:
    """Return the Fourier transform under the root of a Hann window as filters [2 * bins, 1, window]."""
    angles = 2 * math.pi * torch.arange(window // 2 + 1)[:, None] * torch.arange(window) / window
    return torch.cat([angles.cos(), -angles.sin()])[:, None] * root_hann(window)


def inverse_filters(window: int) -> Tensor:
    """Return the inverse under the same window; overlapping windows sum to the wave."""
    bins = window // 2 + 1
    weights = torch.full((bins,), 2.0)
    weights[[0, -1]] = 1
    return transform_filters(window) * weights.repeat(2)[:, None, None] / window / (OVERLAP / 2)


def root_hann(window: int) -> Tensor:
    """Return the root of a periodic Hann window."""
    return torch.hann_window(window, periodic=True).sqrt()
