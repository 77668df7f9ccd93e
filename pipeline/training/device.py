"""The device and the precision of a training."""

import torch

from pipeline.errors import InputError

LABELS = {"cuda": "CUDA", "mps": "Apple (MPS)", "cpu": "CPU"}
"""What messages call the types of devices, in the order in which `auto` tries them."""


def pick_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `mps`; `auto` is CUDA, else an Apple GPU, else the CPU.

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
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype for `auto`, `float32` or `bfloat16`; `auto` is bfloat16 on CUDA devices that support it."""
    if name == "bfloat16" or (name == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()):
        return torch.bfloat16
    return torch.float32
