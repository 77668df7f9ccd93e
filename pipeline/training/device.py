"""The device and the precision of a training."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from pipeline import processes
from pipeline.errors import InputError

LABELS = {"cuda": "CUDA", "mps": "Apple (MPS)", "cpu": "CPU"}
"""What messages call the types of devices, in the order in which `auto` tries them."""


def pick_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `mps`; `auto` is CUDA, else an Apple GPU, else the CPU.

    Of several processes on one machine, each has the GPU of its number.

    Raises:
        InputError: torch does not see a device of this type.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind in LABELS if available[kind])
    if not available[name]:
        raise InputError(
            f"train.device is {name}, but torch sees no {LABELS[name]} device. Set it to auto or cpu, or run "
            "`ganline doctor`"
        )
    if name == "cuda" and processes.count() > 1:
        device = torch.device(name, int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        return device
    return torch.device(name)


def pick_precision(name: str, device: torch.device, warn: Callable[[str], None]) -> torch.dtype:
    """Return the dtype for `auto`, `float32` or `bfloat16`; `auto` is bfloat16 on CUDA devices that compute in it.

    `warn` is called with a message if the device emulates the dtype.
    """
    if name == "bfloat16" and not has_bfloat16(device):
        warn(
            f"train.precision is bfloat16, which this {LABELS[device.type]} device emulates: the training can take ten "
            "times as long as in float32. Set train.precision to auto"
        )
    computes = device.type == "cuda" and has_bfloat16(device)
    return torch.bfloat16 if name == "bfloat16" or (name == "auto" and computes) else torch.float32


def has_bfloat16(device: torch.device) -> bool:
    """Return whether the device computes in bfloat16 itself. Others emulate it, many times slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type != "cpu" or bool(torch.cpu._is_amx_tile_supported())


@contextmanager
def exact_float32(dtype: torch.dtype) -> Iterator[None]:
    """Within the context, CUDA computes float32 without rounding to TF32 (10 bits), torch's default for convolutions.

    A training in bfloat16 (7 bits) may use TF32 in what remains in float32.
    """
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = dtype is not torch.float32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
