"""Degrade clean waves as a noisy room, an overdriven microphone or a telephone does.

The result is rounded to 16 bits and clipped, like the files that a restored wave is later made from.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from pipeline.media.audio.waves import HIGHEST
from pipeline.media.degradation_kinds import Range, degrade_by_one

SMALLEST = 1e-10
"""Power below which a wave counts as silent: -100 dB."""


@dataclass(frozen=True)
class Degradation:
    """White noise, clipping or a missing treble: each wave gets one of the kinds that have a range.

    Attributes:
        rate: Samples a second.
        snr: Ratio of the mean power of a wave to that of the noise, in decibels.
        clipping: Level at which a wave is cut, as a share of its peak.
        band: Frequency in hertz above which nothing is left.
    """

    rate: int
    snr: Range | None = None
    clipping: Range | None = None
    band: Range | None = None

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """Degrade waves [n, 1, 1, samples] in [-1, 1]; `rng` lives on their device."""
        kinds = ((add_noise, self.snr), (clip, self.clipping), (partial(limit_band, rate=self.rate), self.band))
        given = [(apply, strengths) for apply, strengths in kinds if strengths is not None]
        out = degrade_by_one(clean, given, rng)
        return out.mul(HIGHEST).round().clamp(-HIGHEST, HIGHEST).div(HIGHEST)


def add_noise(waves: Tensor, snr: Tensor, rng: torch.Generator) -> Tensor:
    """Add white noise with this ratio of powers, in decibels; silence gets next to none."""
    power = waves.square().mean(dim=3, keepdim=True).clamp(min=SMALLEST)
    noise = torch.randn(waves.shape, generator=rng, device=waves.device)
    return waves + noise * (power * 10 ** (-snr / 10)).sqrt()


def clip(waves: Tensor, share: Tensor, rng: torch.Generator) -> Tensor:
    """Cut waves at a share of their peak."""
    level = share * waves.abs().amax(dim=3, keepdim=True)
    return waves.clamp(-level, level)


def limit_band(waves: Tensor, hertz: Tensor, rng: torch.Generator, rate: int) -> Tensor:
    """Remove what lies above a frequency."""
    spectrum = torch.fft.rfft(waves)
    frequencies = torch.linspace(0, rate / 2, spectrum.shape[3], device=waves.device)
    limited: Tensor = torch.fft.irfft(spectrum * (frequencies <= hertz), n=waves.shape[3])
    return limited
