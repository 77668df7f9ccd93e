"""The device and the precision of a training."""

import torch

from pipeline.errors import InputError


def pick_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu` or `cuda`; `auto` is CUDA if available.

    Raises:
        InputError: `cuda` was requested, but torch sees no CUDA device.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "train.device is cuda, but torch sees no CUDA device. Set it to auto or cpu, or run `ganline doctor`"
        )
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype for `auto`, `float32` or `bfloat16`; `auto` is bfloat16 on CUDA devices that support it."""
    if name == "bfloat16" or (name == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()):
        return torch.bfloat16
    return torch.float32
