"""Music as tensors: views of an item that keep its parts apart, and networks that look at them over time."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.media.music.networks import PieceClassifier, PieceStatistics
from pipeline.media.tensors import Degrade, Tensors

HIDDEN = 0.25
"""Share of the time steps that a distorted view does not show."""


@dataclass(frozen=True)
class SilenceVoices:
    """One-hot maps [n, symbols, steps, voices] -> the same with rests from the voice `given` on."""

    given: int

    def __call__(self, maps: Tensor, rng: torch.Generator) -> Tensor:
        silent = maps.clone()
        silent[..., self.given :] = 0
        silent[:, 0, :, self.given :] = 1
        return silent


@dataclass(frozen=True)
class SilenceTracks:
    """One-hot maps [n, tracks * symbols, steps, pitches] -> the same, silent from the track `given` on."""

    tracks: int
    given: int

    def __call__(self, maps: Tensor, rng: torch.Generator) -> Tensor:
        silent = maps.reshape(len(maps), self.tracks, -1, *maps.shape[2:]).clone()
        silent[:, self.given :] = 0
        silent[:, self.given :, 0] = 1
        return silent.flatten(1, 2)


class MusicTensors(Tensors):
    """One-hot maps: of voices [n, symbols, steps, voices], of tracks [n, tracks * symbols, steps, pitches]."""

    def shift(self, values: Tensor, rng: torch.Generator) -> Tensor:
        """Shift each item by at most one step in time; parts stay where they are."""
        moved = torch.randint(-1, 2, (len(values), 1), generator=rng).to(values.device)
        return at_steps(values, moved + torch.arange(values.shape[2], device=values.device))

    def distort(self, values: Tensor, rng: torch.Generator) -> Tensor:
        """Shift each item by up to a quarter of its length, and hide a span of time and sometimes a part."""
        n, channels, steps, width = values.shape
        tracks = "tracks" in self.spec.details
        parts = self.spec.channels if tracks else width
        reach, hidden = max(1, steps // 4), max(1, round(HIDDEN * steps))
        moved = torch.randint(-reach, reach + 1, (n, 1), generator=rng).to(values.device)
        start = torch.randint(0, steps - hidden + 1, (n, 1), generator=rng).to(values.device)
        part = torch.randint(0, 2 * parts, (n, 1), generator=rng).to(values.device)  # from `parts` on: none
        time = torch.arange(steps, device=values.device)
        seen = ((time < start) | (time >= start + hidden))[:, None, :, None]
        heard = torch.arange(parts, device=values.device) != part
        if tracks:
            heard = heard.repeat_interleave(channels // parts, dim=1)[:, :, None, None]
        else:
            heard = heard[:, None, None, :]
        return at_steps(values, moved + time) * seen * heard

    def degradation(self, **options: Any) -> Degrade:
        """Return what silences the voices or tracks of pieces that are not given.

        Args:
            options: `given`, the number of voices or tracks that stay, from the first one on.

        Raises:
            InputError: Pieces have no others.
        """
        tracks = "tracks" in self.spec.details
        parts, given = self.spec.channels if tracks else self.spec.width, options["given"]
        if given >= parts:
            kind = "tracks" if tracks else "voices"
            raise InputError(f"model.given {given}: pieces have {parts} {kind}; give at most {parts - 1}")
        return SilenceTracks(parts, given) if tracks else SilenceVoices(given)

    def classifier_body(self) -> nn.Module:
        """Return convolutions over time."""
        return PieceClassifier(self.spec)

    def random_network(self) -> nn.Module:
        """Return statistics of pitch, onsets and intervals between voices."""
        return PieceStatistics(self.spec)


def at_steps(values: Tensor, steps: Tensor) -> Tensor:
    """Return values [n, C, steps, W] at other time steps [n, steps]; steps outside repeat the ends."""
    items = torch.arange(len(values), device=values.device)[:, None]
    chosen = steps.clamp(0, values.shape[2] - 1)
    return values.permute(0, 2, 1, 3)[items, chosen].permute(0, 2, 1, 3)
