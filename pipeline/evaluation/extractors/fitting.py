"""How the small networks of an evaluation are trained: the steps, and the recipe of the default extractors."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.arrays import Int64Array
from pipeline.evaluation.extractors.base import Progress

BATCH = 128
MAX_ITEMS = 60_000
EPOCHS = 20
LEARNING_RATE = 4e-3


def limit_items(positions: Int64Array, rng: np.random.Generator) -> Int64Array:
    """Return the positions of the items to train on: all of them, or 60,000 random ones in their order."""
    return positions if len(positions) <= MAX_ITEMS else np.sort(rng.choice(positions, MAX_ITEMS, replace=False))


def fit_network(
    network: nn.Module,
    items: int,
    rng: np.random.Generator,
    loss_of: Callable[[Int64Array], Tensor],
    *,
    steps: tuple[int, int],
    progress: Progress,
    label: str,
) -> None:
    """Train a network with AdamW and one cycle of the learning rate (Smith & Topin 2019).

    Args:
        network: The network, changed in place.
        items: Number of items to train on.
        rng: Draws the order of the items.
        loss_of: Maps the numbers of a batch's items, [n], to their loss.
        steps: Fewest and most steps; in between, each item is seen 20 times.
        progress: Wraps the steps; `label` is what it shows.
    """
    batch = min(BATCH, items)
    count = min(max(EPOCHS * items // batch, steps[0]), steps[1])
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-3, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=count)
    take_steps(progress(range(count), label), draw_batches(items, batch, rng), loss_of, optimizer, schedule)


def draw_batches(items: int, batch: int, rng: np.random.Generator) -> Iterator[Int64Array]:
    """Yield the numbers of the items of one batch after the other, without end; each item once before any twice."""
    order = np.empty(0, dtype=np.int64)
    while True:
        if len(order) < batch:
            order = np.concatenate([order, rng.permutation(items)])
        yield order[:batch]
        order = order[batch:]


def take_steps(
    steps: Iterable[int],
    batches: Iterator[Int64Array],
    loss_of: Callable[[Int64Array], Tensor],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    """Minimise the loss of one batch a step."""
    for _, chosen in zip(steps, batches, strict=False):  # no batch is drawn after the last step
        loss = loss_of(chosen)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


@contextmanager
def threads_for(positions: int) -> Iterator[None]:
    """Use one thread for items of few positions.

    There, synchronising threads costs more than it saves: tenfold on a busy machine.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if positions <= 16 * 16 else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
