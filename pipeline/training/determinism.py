"""Deterministic algorithms on request (`train.deterministic`)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from pipeline.errors import TrainingFailed

REFUSED = "does not have a deterministic implementation"
"""Words of torch's error for an operation that it knows in no deterministic form."""


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Within the context, torch uses only algorithms that give the same bits in every run, if `wanted`.

    It must be entered before CUDA is used, because cuBLAS reads its workspace setting once.

    Raises:
        TrainingFailed: The training needs an operation that has no deterministic form.
    """
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    memory.fill_uninitialized_memory = False  # costs time; no result depends on such memory
    try:
        yield
    except RuntimeError as error:
        if REFUSED not in str(error):
            raise
        operation = str(error).split()[0]
        raise TrainingFailed(
            f"train.deterministic is true, and {operation} {REFUSED} on this device. Set it to false, or choose "
            "another model.variant"
        ) from None
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
        memory.fill_uninitialized_memory = fill
