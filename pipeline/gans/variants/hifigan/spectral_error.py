"""The error of the Fourier transform at several resolutions: Yamamoto, Song and Kim, "Parallel WaveGAN" (2020), eq. 6.

One mel spectrogram says nothing of what happens inside its bands and windows. A wave with the right one may hold a
chord of tones at the middles of the bands. Shorter windows show when something happens, and longer ones the pitch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

OVERLAP = 4
"""Windows that each sample lies in."""
SMALLEST = 1e-6
"""Power, relative to a sine at full scale, below which a frequency counts as silent: -60 dB."""


class SpectralError(nn.Module):
    """The mean absolute error of the logarithms of magnitudes, in nepers, summed over lengths of the window.

    Args:
        windows: Samples of each Fourier transform.
    """

    def __init__(self, windows: Sequence[int]) -> None:
        super().__init__()
        self.windows = tuple(windows)

    def forward(self, made: Tensor, recorded: Tensor) -> Tensor:
        """Return the error of waves [B, 1, 1, samples], a scalar."""
        errors = [F.l1_loss(levels(made, window), levels(recorded, window)) for window in self.windows]
        return torch.stack(errors).sum()


def levels(waves: Tensor, window: int) -> Tensor:
    """Return the logarithms of the magnitudes of waves [B, 1, 1, samples], [B, columns, bins]."""
    padded = F.pad(waves.flatten(1), (window // 2, window // 2))
    hann = torch.hann_window(window, dtype=waves.dtype, device=waves.device)
    spectra = torch.fft.rfft(padded.unfold(1, window, max(1, window // OVERLAP)) * hann) / (window / 4)
    power = spectra.real.square() + spectra.imag.square()
    logarithms: Tensor = power.clamp(min=SMALLEST).log() / 2
    return logarithms
