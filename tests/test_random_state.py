"""Random generators of a training: those of its own device and no other."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from pipeline.random_state import default_generators, restore_default_generators

STATE = torch.arange(16, dtype=torch.uint8)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.device]]:
    """Return the devices that are asked for their states. Asking all of them would open a context on each GPU."""
    devices: list[torch.device] = []

    def get(device: torch.device) -> Tensor:
        devices.append(device)
        return STATE

    def put(state: Tensor, device: torch.device) -> None:
        assert torch.equal(state, STATE)
        devices.append(device)

    monkeypatch.setattr(torch.cuda, "get_rng_state", get)
    monkeypatch.setattr(torch.cuda, "set_rng_state", put)
    for name in ("get_rng_state_all", "set_rng_state_all"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: pytest.fail("opens a context on every GPU"))
    host = torch.get_rng_state()
    yield devices
    torch.set_rng_state(host)


def test_only_the_device_of_a_training_is_asked_and_may_have_another_number(asked: list[torch.device]) -> None:
    first, second = torch.device("cuda", 3), torch.device("cuda", 0)
    state = default_generators(first)
    assert len(state["rng_cuda"]) == 1
    restore_default_generators(state, second)
    assert asked == [first, second]
