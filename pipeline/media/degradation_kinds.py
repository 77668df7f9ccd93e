"""Degrade each of many values by one of several kinds, with a random strength."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Range = tuple[float, float]

Kind = tuple[Callable[[Tensor, Tensor, torch.Generator], Tensor], Range]
"""(values [m, C, H, W], strengths [m, 1, 1, 1], random generator) -> degraded values, and the range of strengths."""


def degrade_by_one(clean: Tensor, kinds: Sequence[Kind], rng: torch.Generator) -> Tensor:
    """Return values [n, C, H, W], each degraded by a random one of `kinds`; `rng` lives on their device."""
    if not kinds:
        return clean
    out = torch.empty_like(clean)
    kind = torch.randint(len(kinds), (len(clean),), generator=rng, device=clean.device)
    share = torch.rand(len(clean), 1, 1, 1, generator=rng, device=clean.device)
    for number, (apply, (low, high)) in enumerate(kinds):
        members = kind == number
        out[members] = apply(clean[members], low + (high - low) * share[members], rng)
    return out
