"""The inverse-STFT head: Kaneko, Tanaka, Kameoka and Seki, "iSTFTNet: Fast and Lightweight Mel-Spectrogram Vocoder
Incorporating Inverse Short-Time Fourier Transform" (2022).

A network that ends in the columns of a short-time Fourier transform needs no layers at the rate of the samples: a fixed
inverse transform makes the wave. Nearly all its work is then done once a column and not once a sample.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.gans.networks.layers import full_precision

SMALLEST = 1e-6
"""Added to the squared length of an arrow before its angle is taken. Exporters drop terms below 1e-8."""


class InverseSTFT(nn.Module):
    """Spectra, real then imaginary parts, [B, 2 * bins, columns] -> waves [B, 1, columns * hop].

    It inverts a transform whose windows (Hann) are centred on their hops, with zeros around the wave. Of spectra that
    no wave has, it returns the wave whose spectra are nearest (Griffin and Lim, 1984, eq. 6): windows are added, and
    divided by the sum of the squares of the window.
    """

    filters: Tensor
    squares: Tensor

    def __init__(self, window: int, hop: int) -> None:
        super().__init__()
        self.hop, self.margin = hop, (window - hop) // 2
        samples = torch.arange(window, dtype=torch.float64)
        hann = 0.5 - 0.5 * torch.cos(2 * math.pi * samples / window)
        angles = 2 * math.pi * torch.arange(window // 2 + 1)[:, None] * samples / window
        # Frequencies stand for themselves and their mirror images, except for the first and the last.
        twice = torch.full((window // 2 + 1, 1), 2.0, dtype=torch.float64)
        twice[[0, -1]] = 1
        filters = torch.cat([angles.cos() * twice, -angles.sin() * twice]) * hann / window
        kind = torch.get_default_dtype()
        self.register_buffer("filters", filters[:, None].to(kind), persistent=False)
        self.register_buffer("squares", hann.square()[None, None].to(kind), persistent=False)

    def forward(self, spectra: Tensor) -> Tensor:
        ones = torch.ones(1, 1, spectra.shape[2], dtype=spectra.dtype, device=spectra.device)
        windows = F.conv_transpose1d(spectra, self.filters, stride=self.hop)
        total = F.conv_transpose1d(ones, self.squares, stride=self.hop)
        start, end = self.margin, self.margin + spectra.shape[2] * self.hop
        return windows[:, :, start:end] / total[:, :, start:end]


class SpectrumHead(nn.Module):
    """Maps [B, channels, columns] -> waves [B, 1, columns * hop].

    A linear layer returns for each frequency the logarithm of the magnitude, and an arrow whose direction is the phase.
    Angles themselves would jump from pi to -pi.
    """

    def __init__(self, channels: int, window: int, hop: int) -> None:
        super().__init__()
        # No wave in [-1, 1] has a larger magnitude: the window sums to half of its length.
        self.bins, self.loudest = window // 2 + 1, math.log(window / 2)
        self.norm = nn.LayerNorm(channels)
        self.spectrum = nn.Linear(channels, 3 * self.bins)
        self.inverse = InverseSTFT(window, hop)

    def forward(self, maps: Tensor) -> Tensor:
        values = self.spectrum(self.norm(maps.transpose(1, 2))).transpose(1, 2)
        with full_precision(values):
            logarithms, real, imaginary = values.float().split(self.bins, dim=1)
            magnitudes = logarithms.clamp(max=self.loudest).exp()
            scale = magnitudes * torch.rsqrt(real.square() + imaginary.square() + SMALLEST)
            waves: Tensor = self.inverse(torch.cat([scale * real, scale * imaginary], dim=1))
        return waves
