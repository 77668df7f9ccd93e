"""Copy what was drawn on the host to the device of a training."""

import torch
from torch import Tensor


def copy_to(device: torch.device, values: Tensor) -> Tensor:
    """Return values on `device`. A copy from the host to a CUDA device does not wait for what the device computes."""
    if device.type != "cuda" or values.is_cuda:
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)  # pageable memory would be waited for
