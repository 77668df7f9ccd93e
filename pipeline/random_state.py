"""Save and restore random generators, also when training moves to another type of device."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def restore_generator(generator: torch.Generator, state: Tensor) -> bool:
    """Continue a generator from `state`, uint8 [n], which another generator's `get_state` returned.

    The state of another type of device cannot be used. The generator is then seeded from it: deterministic, and another
    seed at every step.

    Returns:
        False if the state is that of another type of device.
    """
    if len(state) == len(generator.get_state()):
        generator.set_state(state)
        return True
    generator.manual_seed(derive_seed(state))
    return False


def derive_seed(state: Tensor) -> int:
    """Return a seed, 0 to 2^63 - 1, that is determined by the state of a generator."""
    return int.from_bytes(hashlib.sha256(bytes(state.tolist())).digest()[:8]) >> 1


def default_generators(device: torch.device) -> dict[str, Any]:
    """Return the states of torch's default generators of the CPU and of a training's device."""
    return {
        "rng_cpu": torch.get_rng_state(),
        "rng_cuda": [torch.cuda.get_rng_state(device)] if device.type == "cuda" else [],
        "rng_mps": [torch.mps.get_rng_state()] if device.type == "mps" else [],
    }


def restore_default_generators(state: Mapping[str, Any], device: torch.device) -> None:
    """Restore what `default_generators` returned; without a state for the device, derive a seed from the CPU's."""
    torch.set_rng_state(state["rng_cpu"])
    if device.type == "cuda" and state["rng_cuda"]:
        torch.cuda.set_rng_state(state["rng_cuda"][0], device)
    elif device.type == "cuda":
        torch.cuda.manual_seed_all(derive_seed(state["rng_cpu"]))
    elif device.type == "mps" and state.get("rng_mps"):
        torch.mps.set_rng_state(state["rng_mps"][0])
    elif device.type == "mps":
        torch.mps.manual_seed(derive_seed(state["rng_cpu"]))
