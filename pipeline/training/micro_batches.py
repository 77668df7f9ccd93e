"""A batch in parts: the gradient of a whole batch where only some of its images fit into memory at a time."""

from pipeline.gans.base import Batch


def parts(batch: Batch, size: int) -> list[Batch]:
    """Equal parts of `size` images, which divides the batch, in order. They share its memory, and none of its gradients' history."""
    n = len(next(iter(batch.values())))
    return [{name: values[at : at + size].detach() for name, values in batch.items()} for at in range(0, n, size)]


def halved(size: int, group: int) -> int | None:
    """Half of `size`; None where that would be a single image, or not be made of whole groups."""
    half = size // 2
    return half if size % 2 == 0 and half >= 2 and half % group == 0 else None
