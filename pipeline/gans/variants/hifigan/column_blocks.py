"""Blocks at the rate of the columns: Siuzdak, "Vocos: Closing the Gap between Time-Domain and Fourier-Based Neural
Vocoders for High-Quality Audio Synthesis" (2023), whose blocks are those of ConvNeXt (Liu et al., 2022)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KERNEL = 7
EXPANSION = 3
"""Channels inside a block over those outside."""


class ColumnBlock(nn.Module):
    """A filter along time for each channel, then a perceptron over the channels, added to [B, channels, columns].

    Args:
        channels: Number of channels.
        scale: Factor of what the block adds at first; the paper takes 1 over the number of blocks.
    """

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.along_time = nn.Conv1d(channels, channels, KERNEL, padding=KERNEL // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide = nn.Linear(channels, EXPANSION * channels)
        self.narrow = nn.Linear(EXPANSION * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, maps: Tensor) -> Tensor:
        columns = self.norm(self.along_time(maps).transpose(1, 2))
        added: Tensor = self.narrow(F.gelu(self.wide(columns))) * self.scale
        return maps + added.transpose(1, 2)
