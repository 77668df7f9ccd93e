"""On what a training runs, and in which precision."""

import torch

from pipeline.errors import InputError


def pick_device(wanted: str) -> torch.device:
    """`auto` is CUDA where torch sees it. Raises InputError when CUDA is demanded and absent."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "train.device is cuda, but torch sees no CUDA device; set it to auto or cpu, or look at `ganline doctor`"
        )
    return torch.device("cuda" if wanted == "cuda" or (wanted == "auto" and torch.cuda.is_available()) else "cpu")


def pick_precision(wanted: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on a CUDA device that has it, float32 elsewhere."""
    if wanted == "bfloat16" or (wanted == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()):
        return torch.bfloat16
    return torch.float32
