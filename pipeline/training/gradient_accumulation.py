"""Gradient accumulation: the gradient of a batch from micro-batches that fit into memory."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor

from pipeline import processes, random_state
from pipeline.errors import InputError
from pipeline.gans.base import GAN, Batch, LossFunction, Progress
from pipeline.gans.networks.layers import MinibatchStd
from pipeline.shared_batch import Shared, take_part
from pipeline.training.buffer_copies import BufferCopies
from pipeline.training.settings import TrainSettings

Value = TypeVar("Value")


class GradientAccumulator:
    """Differentiates losses in micro-batches, under mixed precision if configured.

    Args:
        settings: Batch size and micro-batch size.
        device: Where the networks are.
        dtype: bfloat16 runs losses under autocast; float32 does not.
        gan: The variant: its `group` images of a batch cannot be separated, and losses change its buffers.
        warn: Called with a message when the micro-batch size changes.

    Attributes:
        micro_batch: Images per forward pass.
    """

    def __init__(
        self,
        settings: TrainSettings,
        device: torch.device,
        dtype: torch.dtype,
        *,
        gan: GAN,
        warn: Callable[[str], None],
    ) -> None:
        self.batch_size, self.automatic = settings.batch_size, settings.micro_batch == "auto"
        self.parts = count_parts(gan)
        self.own = divide_batch(settings, gan)
        self.micro_batch = settings.micro_batch if isinstance(settings.micro_batch, int) else self.own
        self.device, self.dtype, self.gan, self.warn = device, dtype, gan, warn
        self.copies = BufferCopies(gan)

    @property
    def smaller(self) -> int | None:
        """The next smaller micro-batch; None if it is fixed, half of it is no batch, or there are other processes."""
        return halve(self.micro_batch, self.gan.group) if self.automatic and processes.count() == 1 else None

    def state(self) -> int:
        """Return the images that all processes together take per forward pass, for a checkpoint."""
        return self.micro_batch * self.parts

    def restore(self, state: int) -> None:
        """Restore what `state` returned, also on another number of processes."""
        size = state // self.parts
        fits = size >= 1 and self.own % size == 0 and size % self.gan.group == 0
        self.micro_batch = size if fits else self.own

    def take_own(self, batch: Batch) -> Batch:
        """Return this process's part of a batch."""
        if self.parts == 1:
            return batch
        return {name: take_part(values, self.gan.group) for name, values in batch.items()}

    def average(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Average the gradients of all processes."""
        if self.parts > 1:
            processes.average(gradients(optimizers))

    def backward(
        self,
        loss_function: LossFunction,
        batch: Batch,
        progress: Progress,
        rng: torch.Generator,
        optimizers: Sequence[torch.optim.Optimizer],
        release_memory: Callable[[], bool] = lambda: False,
    ) -> list[dict[str, Tensor]]:
        """Store the gradients of a loss in the parameters of `optimizers`, for this process's part of a batch.

        If CUDA memory runs out and train.micro_batch is auto, `release_memory` frees what the training can do without.
        If there is nothing, the micro-batch size is halved from here on. Buffers and random numbers are then those from
        before the failed attempt.

        Returns:
            The loss's terms, detached, for each micro-batch.

        Raises:
            torch.OutOfMemoryError: The micro-batch size is fixed or cannot be halved.
        """
        while True:
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            undo = self.remember(rng) if self.smaller and self.device.type != "cpu" else None
            try:
                return self.accumulate(loss_function, batch, progress, rng)
            except torch.OutOfMemoryError:
                if self.smaller is None:
                    raise
            # Outside the handler, because the exception holds the tensors of the failed attempt.
            if not release_memory():
                self.shrink()
            if undo is not None:
                undo()

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the parameters of an optimizer. Its first update allocates its state, for which memory can run out.

        Raises:
            torch.OutOfMemoryError: The micro-batch size is fixed or cannot be halved.
        """
        while True:
            try:
                optimizer.step()
                return
            except torch.OutOfMemoryError:
                if self.smaller is None:
                    raise
            # Adam allocates all of its state before it changes a parameter. What is incomplete is allocated again.
            for state in optimizer.state.values():
                if "exp_avg_sq" not in state:
                    state.clear()
            self.shrink()

    def shrink(self) -> None:
        """Continue with the next smaller micro-batch."""
        assert self.smaller is not None
        self.micro_batch = self.smaller
        torch.cuda.empty_cache()
        self.warn(
            f"out of GPU memory: continuing with train.micro_batch {self.micro_batch} and the same train.batch_size "
            f"{self.batch_size}"
        )

    def fit(self, compute: Callable[[int], Value]) -> Value:
        """Return what `compute` returns for the images of a forward pass; with fewer images if memory runs out.

        Raises:
            torch.OutOfMemoryError: A single image does not fit.
        """
        size = self.state()
        while True:
            try:
                return compute(size)
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
            size = (size + 1) // 2
            torch.cuda.empty_cache()

    def remember(self, rng: torch.Generator) -> Callable[[], None]:
        """Return a function that restores what a loss changes: the variant's buffers and the random numbers.

        It is valid until the next call.
        """
        restore_buffers = self.copies.take()
        state, defaults = rng.get_state(), random_state.default_generators(self.device)

        def undo() -> None:
            restore_buffers()
            rng.set_state(state)
            random_state.restore_default_generators(defaults, self.device)

        return undo

    def accumulate(
        self, loss_function: LossFunction, batch: Batch, progress: Progress, rng: torch.Generator
    ) -> list[dict[str, Tensor]]:
        """Sum the gradients of the micro-batches; return the terms of each."""
        weight = self.micro_batch / self.own
        terms = []
        for part in split_batch(batch, self.micro_batch):
            with self.autocast(), self.shared():
                loss = loss_function(part, progress, rng)
            torch.autograd.backward(loss.total, torch.full_like(loss.total, weight))
            terms.append({name: value.detach() for name, value in loss.terms.items()})
        return terms

    def shared(self) -> AbstractContextManager[object]:
        """Return the context in which losses see a part of a batch that several processes share."""
        return Shared(self.micro_batch, self.gan.group) if self.parts > 1 else nullcontext()

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which losses are computed."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.dtype is torch.bfloat16 else nullcontext()


class TermMeans:
    """Means of the losses' terms since the last row; adding to them does not wait for the device.

    The number of updates is counted for each term, because a lazy penalty has fewer than there are steps.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    @torch.no_grad()
    def add(self, terms_of_parts: list[dict[str, Tensor]]) -> None:
        """Add the terms of one update, given for each of its micro-batches."""
        weight = 1 / len(terms_of_parts)
        for terms in terms_of_parts:
            for name, value in terms.items():
                if name not in self.sums:
                    self.sums[name] = torch.zeros_like(value)
            if terms:  # one call for all terms, because there are many in every step
                torch._foreach_add_([self.sums[name] for name in terms], list(terms.values()), alpha=weight)
        for name in terms_of_parts[0]:
            self.counts[name] = self.counts.get(name, 0) + 1

    def compute(self) -> dict[str, float]:
        """Return the means over all processes; waits for the device."""
        processes.average(list(self.sums.values()))
        return {name: float(value) / self.counts[name] for name, value in self.sums.items()}

    def reset(self) -> None:
        """Start new means."""
        self.sums, self.counts = {}, {}

    def state(self) -> dict[str, object]:
        """Return sums and counts, for a checkpoint."""
        processes.average(list(self.sums.values()))
        return {"sums": self.sums, "counts": self.counts}

    def restore(self, state: Mapping[str, Mapping[str, object]], device: torch.device) -> None:
        """Restore what `state` returned."""
        self.sums = {name: value.to(device) for name, value in state["sums"].items() if isinstance(value, Tensor)}
        self.counts = {name: count for name, count in state["counts"].items() if isinstance(count, int)}


def split_batch(batch: Batch, size: int) -> list[Batch]:
    """Split a batch into parts of `size` images, which divides the batch.

    The parts share the batch's memory but not its autograd history.
    """
    n = len(next(iter(batch.values())))
    return [{name: values[i : i + size].detach() for name, values in batch.items()} for i in range(0, n, size)]


def gradients(optimizers: Iterable[torch.optim.Optimizer]) -> list[Tensor]:
    """Return the gradients of all parameters that have one."""
    parameters = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def count_parts(gan: GAN) -> int:
    """Return how many processes share a batch."""
    return 1 if gan.homes() else processes.count()


def divide_batch(settings: TrainSettings, gan: GAN) -> int:
    """Return how many images of a batch each process has.

    Raises:
        InputError: The batch, or groups of images in it, cannot be divided equally.
    """
    count, size = count_parts(gan), settings.batch_size
    if count == 1:
        return size
    if size % (count * gan.group):
        raise InputError(
            f"train.batch_size {size}: {count} processes cannot share it equally. Set it to a multiple of "
            f"{count * gan.group}, or start another number of processes"
        )
    own = size // count
    if isinstance(settings.micro_batch, int) and own % settings.micro_batch:
        raise InputError(
            f"train.micro_batch {settings.micro_batch}: must divide the {own} images of each of {count} processes"
        )
    for layer in gan.modules():
        if isinstance(layer, MinibatchStd) and layer.group:
            together, apart = layer.group_size(size // gan.group), layer.group_size(own // gan.group)
            if together != apart:
                raise InputError(
                    f"train.batch_size {size}: groups of {together} images (model.stabilisers.minibatch_std) cannot be "
                    f"formed from the {own} images of each of {count} processes. Raise it, or start fewer processes"
                )
    return own


def halve(size: int, group: int) -> int | None:
    """Return half of `size`; None if that is a single image, or not a multiple of `group`."""
    half = size // 2
    return half if size % 2 == 0 and half >= 2 and half % group == 0 else None
