"""What networks of the evaluation read of one-hot maps: heights, onsets and pitch classes of voices or tracks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.items import ItemSpec
from pipeline.media.music.form import has_onsets, lowest, pitch_count

Read = tuple[Tensor, Tensor, Tensor]
"""Heights in 0 .. 1 and onsets, [n, parts, steps] each, and notes of each pitch class, [n, parts, 12, steps]."""


class ReadVoices(nn.Module):
    """Maps [n, symbols, steps, voices] in 0 .. 1 -> `Read`."""

    chroma: Tensor

    def __init__(self, spec: ItemSpec) -> None:
        super().__init__()
        self.parts, self.count, self.onsets = spec.width, pitch_count(spec), has_onsets(spec)
        table = torch.zeros(12, 1 + self.count)
        pitches = torch.arange(self.count)
        table[(pitches + lowest(spec)) % 12, pitches + 1] = 1  # symbol 0 is a rest
        self.register_buffer("chroma", table)

    def forward(self, maps: Tensor) -> Read:
        struck = maps[:, 1 : 1 + self.count].sum(1).permute(0, 2, 1)
        if self.onsets:
            maps = torch.cat([maps[:, :1], maps[:, 1 : 1 + self.count] + maps[:, 1 + self.count :]], dim=1)
        height = (maps * torch.arange(1 + self.count, device=maps.device)[:, None, None]).sum(1) / (1 + self.count)
        repeats = (maps[:, :, 1:] * maps[:, :, :-1]).sum(1).permute(0, 2, 1)
        begins = struck if self.onsets else F.pad(1 - repeats, (1, 0), value=1.0)
        return height.permute(0, 2, 1), begins, torch.einsum("ps,nstv->nvpt", self.chroma, maps)


class ReadTracks(nn.Module):
    """Maps [n, tracks * symbols, steps, pitches] in 0 .. 1 -> `Read`; a height is the mean of the sounding pitches."""

    chroma: Tensor

    def __init__(self, spec: ItemSpec) -> None:
        super().__init__()
        self.parts, self.symbols, self.onsets = spec.channels, spec.symbols, has_onsets(spec)
        table = torch.zeros(12, spec.width)
        pitches = torch.arange(spec.width)
        table[(pitches + lowest(spec)) % 12, pitches] = 1
        self.register_buffer("chroma", table)

    def forward(self, maps: Tensor) -> Read:
        cells = maps.reshape(-1, self.parts, self.symbols, *maps.shape[2:])
        on = cells[:, :, 1:].sum(2)
        places = torch.arange(1, 1 + on.shape[3], device=on.device) / (1 + on.shape[3])
        height = (on * places).sum(3) / on.sum(3).clamp(min=1)
        new = cells[:, :, 1] if self.onsets else F.pad(on[:, :, 1:] * (1 - on[:, :, :-1]), (0, 0, 1, 0), value=1.0)
        return height, (new * on).sum(3), torch.einsum("pq,ntsq->ntps", self.chroma, on)


def reader_of(spec: ItemSpec) -> ReadVoices | ReadTracks:
    """Return what reads the maps of these items."""
    return ReadTracks(spec) if "tracks" in spec.details else ReadVoices(spec)
