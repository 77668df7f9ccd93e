"""The log-mel spectrogram that HiFi-GAN takes and is compared by: that of the data, differentiable."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.items import ItemSpec

SMALLEST = 1e-18
"""Power below which a frequency counts as silent."""


class LogMel(nn.Module):
    """Waves [B, 1, 1, samples] -> pictures [B, 1, mels, frames] in [-1, 1], from the floor to full scale.

    The numbers are those of the data (`ItemSpec.details`), so that the pictures are those that generators of
    spectrograms are trained on.
    """

    transform: Tensor
    filters: Tensor

    def __init__(self, item: ItemSpec) -> None:
        super().__init__()
        details = {name: float(str(value)) for name, value in item.details.items()}
        self.window, self.hop, self.mels = (int(details[name]) for name in ("window", "hop", "mels"))
        self.floor, rate = details["floor_db"], details["sample_rate"]
        self.bins, self.margin = self.window // 2 + 1, (self.window - self.hop) // 2
        # In double precision, so that the filters are those of the stored pictures.
        samples = torch.arange(self.window, dtype=torch.float64)
        angles = 2 * torch.pi * torch.arange(self.bins)[:, None] * samples / self.window
        hann = 0.5 - 0.5 * torch.cos(2 * torch.pi * samples / self.window)
        transform = torch.cat([angles.cos(), -angles.sin()]) * hann / (self.window / 4)
        frequencies = torch.arange(self.bins, dtype=torch.float64) * rate / self.window
        filters = mel_filters(frequencies, self.mels, details["low_hz"], details["high_hz"])
        self.register_buffer("transform", transform[:, None].float(), persistent=False)
        self.register_buffer("filters", filters.float(), persistent=False)

    def forward(self, waves: Tensor) -> Tensor:
        decibels = 20 * torch.log10(self.bands(waves))
        return (1 - 2 * decibels / self.floor).clamp(-1, 1)[:, None]

    def bands(self, waves: Tensor) -> Tensor:
        """Return the amplitude of each band over time, [B, mels, frames]; a full-scale sine has 1."""
        padded = F.pad(waves[:, 0], (self.margin, self.window - self.hop - self.margin))
        squares = F.conv1d(padded, self.transform, stride=self.hop).square()
        power = squares[:, : self.bins] + squares[:, self.bins :]
        return torch.matmul(self.filters, power.clamp(min=SMALLEST).sqrt())


def mel_filters(frequencies: Tensor, mels: int, low: float, high: float) -> Tensor:
    """Return triangles on the mel scale (HTK), [mels, bins], each of sum 1; a narrow one has one frequency alone."""
    ends = 2595 * torch.log10(1 + torch.tensor([low, high], dtype=torch.float64) / 700)
    places = torch.linspace(0, 1, mels + 2, dtype=torch.float64)
    edges = 700 * (10 ** ((ends[0] + places * (ends[1] - ends[0])) / 2595) - 1)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    filters = torch.minimum((frequencies - left) / (centre - left), (right - frequencies) / (right - centre)).clamp(0)
    empty = filters.sum(dim=1) == 0
    filters[empty, (frequencies - centre[empty]).abs().argmin(dim=1)] = 1
    return filters / filters.sum(dim=1, keepdim=True)
