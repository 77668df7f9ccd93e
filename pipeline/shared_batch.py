"""One batch in several processes: each draws all random numbers, and keeps its own images and its part of the numbers.

So the weights do not depend on the number of processes, and a training that began on 4 can continue on 1 or 8.

Process k of W has the packs k, k + W, k + 2W, ... of a batch. A pack is a number of consecutive images that are scored
together (PacGAN). Groups of images that are a fraction of the batch apart therefore stay in one process.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pipeline import processes


class Whole(torch.autograd.Function):
    """The whole batch from the parts of all processes; differentiable any number of times."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, pack: int) -> Tensor:
        ctx.pack = pack
        parts = [torch.empty_like(part, memory_format=torch.contiguous_format) for _ in range(processes.count())]
        processes.exchange(lambda: dist.all_gather(parts, part.contiguous()))
        packs = [one.reshape(-1, pack, *part.shape[1:]) for one in parts]
        return torch.stack(packs, dim=1).flatten(0, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total: Tensor = processes.AllSum.apply(gradient)
        return take_part(total, ctx.pack), None


def take_part(batch: Tensor, pack: int, times: int = 1) -> Tensor:
    """Return this process's rows of a batch whose packs have `pack` rows, or of `times` batches in one tensor."""
    if processes.count() == 1:
        return batch
    packs = batch.reshape(max(times, 1), -1, processes.count(), pack, *batch.shape[1:])
    return packs[:, :, processes.rank()].flatten(0, 2)


class Shared(TorchFunctionMode):
    """Within the context, losses see a part of the batch: random numbers are drawn for the whole batch and divided.

    An axis of a drawn tensor that has the size of the part, or else a multiple of it, is that of the images. Dropout
    and batch statistics are those of the whole batch, too.

    Args:
        images: Images of the part.
        pack: Images of a pack.
    """

    active: "Shared | None" = None

    def __init__(self, images: int, pack: int) -> None:
        super().__init__()
        self.images, self.pack = images, pack

    def __enter__(self) -> "Shared":
        Shared.active = self
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        Shared.active = None
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if Shared.active is None:
            return function(*args, **kwargs)
        if function in (torch.rand, torch.randn, torch.randint) and "generator" in kwargs:
            return self.draw(function, args, kwargs)
        if function is torch.rand_like:
            return self.draw_like(*args, **kwargs)
        if function is functional.dropout:
            return self.drop(*args, **kwargs)
        if function is functional.batch_norm:
            return normalise(*args, **kwargs)
        return function(*args, **kwargs)

    def draw(self, function: Any, args: Any, kwargs: Any) -> Tensor:
        """Draw for the whole batch, and return this process's part."""
        bounds = () if function is not torch.randint else args[:-1]
        size = args[len(bounds) :]
        size = list(size[0] if len(size) == 1 and not isinstance(size[0], int) else size)
        axis = next((k for k, side in enumerate(size) if side == self.images), None)
        if axis is None:
            axis = next((k for k, side in enumerate(size) if side and side % self.images == 0), None)
        if axis is None:
            return torch.as_tensor(function(*args, **kwargs))
        times = size[axis] // self.images
        size[axis] *= processes.count()
        drawn: Tensor = function(*bounds, size, **kwargs)
        packs = drawn.reshape(*size[:axis], times, -1, processes.count(), self.pack, *size[axis + 1 :])
        return packs.select(axis + 2, processes.rank()).flatten(axis, axis + 2)

    def draw_like(self, values: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
        """Return this process's part of uniform numbers for the whole batch, from the device's own generator."""
        size = (len(values) * processes.count(), *values.shape[1:])
        whole = torch.rand(size, dtype=dtype or values.dtype, device=values.device)
        return take_part(whole, self.pack_of(values), len(values) // self.images)

    def drop(self, values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        """Apply dropout with this process's part of the mask of the whole batch; it is never applied in place."""
        if not training or p == 0:
            return values
        layout = torch.channels_last if is_channels_last(values) else torch.contiguous_format
        whole = values.new_ones((len(values) * processes.count(), *values.shape[1:]))
        mask = functional.dropout(whole.contiguous(memory_format=layout), p)
        return values * take_part(mask, self.pack_of(values), len(values) // self.images)

    def pack_of(self, values: Tensor) -> int:
        """Return how many rows of a tensor belong to a pack."""
        return max(1, self.pack * len(values) // self.images) if len(values) < self.images else self.pack


def is_channels_last(values: Tensor) -> bool:
    """Return whether images are stored channel by channel last, and not otherwise."""
    return (
        values.ndim == 4
        and values.is_contiguous(memory_format=torch.channels_last)
        and not values.is_contiguous(memory_format=torch.contiguous_format)
    )


def normalise(
    values: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Batch normalisation [B, C, ...] with the statistics of the whole batch; differentiable any number of times."""
    if not training:
        return functional.batch_norm(values, running_mean, running_var, weight, bias, training, momentum, eps)
    axes, shape = [0, *range(2, values.ndim)], [1, -1, *[1] * (values.ndim - 2)]
    x = values if values.dtype == torch.float64 else values.to(torch.float32)
    size = values.numel() // values.shape[1] * processes.count()
    mean: Tensor = processes.AllSum.apply(x.sum(axes)) / size
    centred = x - mean.view(shape)
    variance: Tensor = processes.AllSum.apply(centred.square().sum(axes)) / size
    with torch.no_grad():
        if running_mean is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
        if running_var is not None:
            running_var.lerp_((variance * (size / (size - 1))).to(running_var.dtype), momentum)
    result = centred * (variance + eps).rsqrt().view(shape)
    if weight is not None and bias is not None:
        result = result * weight.view(shape) + bias.view(shape)
    return result.to(values.dtype)


def whole(part: Tensor) -> Tensor:
    """Return the tensor [B, ...] of the whole batch, of which a loss has computed a part; differentiable.

    Losses that are not means over images need it, such as averages and quantiles of a batch.
    """
    shared = Shared.active
    if shared is None:
        return part
    result: Tensor = Whole.apply(part, shared.pack_of(part))
    return result


@contextmanager
def smaller_batch(images: int) -> Iterator[None]:
    """Within the context, the part has only this many images; they are no packs."""
    shared = Shared.active
    before = (shared.images, shared.pack) if shared else (0, 1)
    if shared:
        shared.images, shared.pack = images, 1
    try:
        yield
    finally:
        if shared:
            shared.images, shared.pack = before


@contextmanager
def undivided() -> Iterator[Callable[[Tensor], Tensor]]:
    """Within the context, random numbers are those of the whole batch; yields a function that takes the part."""
    shared, Shared.active = Shared.active, None
    try:
        yield (lambda batch: batch) if shared is None else (lambda batch: take_part(batch, shared.pack))
    finally:
        Shared.active = shared
