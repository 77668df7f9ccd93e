"""What several processes draw: each has its own rows of the numbers that one process would draw for the whole batch."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pipeline import processes
from pipeline.shared_batch import Shared, take_part

COUNT, IMAGES, PACK = 3, 4, 2
Draw = Callable[[int, torch.Generator], Tensor]


def draw_in_each(monkeypatch: pytest.MonkeyPatch, draw: Draw) -> list[Tensor]:
    """Return what each of three processes draws for its four images, in packs of two."""
    monkeypatch.setattr(processes, "count", lambda: COUNT)
    parts = []
    for rank in range(COUNT):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        with Shared(IMAGES, PACK):
            parts.append(draw(IMAGES, torch.Generator().manual_seed(0)))
    return parts


@pytest.mark.parametrize(
    "draw",
    [
        lambda n, rng: torch.randn(n, 5, generator=rng),
        lambda n, rng: torch.rand((n, 1, 2, 2), generator=rng),
        lambda n, rng: torch.randint(10, (n,), generator=rng),
        lambda n, rng: torch.rand(7, n, generator=rng).T,
    ],
    ids=["latents", "noise", "labels", "one number of each kind"],
)
def test_no_two_processes_draw_the_same_and_together_they_draw_what_one_does(
    monkeypatch: pytest.MonkeyPatch, draw: Draw
) -> None:
    """One seed in all processes would otherwise train a model on many GPUs as if on one."""
    whole = draw(COUNT * IMAGES, torch.Generator().manual_seed(0))
    parts = draw_in_each(monkeypatch, draw)
    assert all(len(part) == IMAGES for part in parts)
    packs = [part.reshape(-1, PACK, *part.shape[1:]) for part in parts]
    assert torch.equal(torch.stack(packs, dim=1).flatten(0, 2), whole)
    for rank, part in enumerate(parts):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        assert torch.equal(take_part(whole, PACK), part), "images and their random numbers are divided alike"


def test_the_generators_of_all_processes_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a training may continue on another number of processes."""
    used: list[torch.Generator] = []

    def draw(n: int, rng: torch.Generator) -> Tensor:
        used.append(rng)
        return torch.randn(n, 3, generator=rng)

    draw_in_each(monkeypatch, draw)
    alone = torch.Generator().manual_seed(0)
    torch.randn(COUNT * IMAGES, 3, generator=alone)
    assert all(torch.equal(rng.get_state(), alone.get_state()) for rng in used)
