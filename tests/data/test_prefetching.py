"""Batches that a thread prepares: the same as on the device, resumable between any two, with their errors."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.data.domain_views import Classes
from pipeline.data.prefetching import Prefetched, open_batches
from pipeline.data.views import Degraded, Labelled, Unlabelled
from pipeline.errors import InputError
from tests.data.test_views import Arrays, Photos, two_classes
from tests.pretended_cuda import GPU, pretend

CPU = torch.device("cpu")
KINDS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "unlabelled": (Unlabelled, Arrays(20), {}),
    "labelled": (Labelled, two_classes(), {}),
    "classes": (Classes, two_classes(), {}),
    "degraded": (Degraded, Arrays(20), {"gaussian": (5.0, 50.0), "jpeg": (20, 80)}),
    "crops": (Degraded, Photos(), {"scale": 2}),
}


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name].cpu(), other[name].cpu())] == []


@pytest.mark.parametrize("name", KINDS)
def test_batches_of_a_device_are_those_of_the_host(name: str, tmp_path: Path) -> None:
    """Also if the size changes, and after a restart from the state between two batches."""
    kind, data, options = KINDS[name]
    plain = kind(data, CPU, 3, flips=True, **options)
    sizes = [7, 7, 5, 7, 7, 11]
    expected = [plain.next(n) for n in sizes]
    with pretend(free_bytes=0):
        ahead = open_batches(kind, data, GPU, 3, on_host=False, flips=True, **options)
        assert isinstance(ahead, Prefetched)
        for n, batch in zip(sizes[:4], expected, strict=False):
            found = ahead.next(n)
            assert all(values.device == GPU for values in found.values())
            assert_equal(found, batch)
        torch.save(ahead.state(), tmp_path / "state.pt")
        state = torch.load(tmp_path / "state.pt", weights_only=True)
        for resumed in (ahead, open_batches(kind, data, GPU, 3, on_host=True, flips=True, **options)):
            resumed.restore(state)
            for n, batch in zip(sizes[4:], expected[4:], strict=True):
                assert_equal(resumed.next(n), batch)


@pytest.mark.parametrize("name", ["unlabelled", "labelled", "classes"])
def test_items_that_fit_stay_on_the_device(name: str) -> None:
    kind, data, options = KINDS[name]
    plain = kind(data, CPU, 3, flips=True, **options)
    with pretend() as gpu:
        view = open_batches(kind, data, GPU, 3, on_host=False, flips=True, **options)
        assert not isinstance(view, Prefetched)
        gpu.clear()
        for _ in range(5):
            assert_equal(view.next(9), plain.next(9))
        assert not any("batch_sampling" in line for line in gpu.waits), gpu.report()


@pytest.mark.parametrize(("free", "resident"), [(3_800, False), (3_900, True)])
def test_a_quarter_of_the_free_memory_is_for_items(free: int, resident: bool) -> None:
    """20 images of 48 bytes."""
    with pretend(free_bytes=free):
        view = open_batches(Unlabelled, Arrays(20), GPU, 0, on_host=False)
    assert isinstance(view, Unlabelled) == resident


def test_the_next_batch_is_prepared_meanwhile_and_its_error_reaches_the_caller() -> None:
    threads = []

    class Failing(Arrays):
        def images(self, indices: Any = None) -> Any:
            threads.append(threading.current_thread().name)
            if len(threads) > 5:
                raise InputError("shards/3.npy: cannot be read")
            return super().images(indices)

    with pretend(free_bytes=0):
        view = open_batches(Unlabelled, Failing(20), GPU, 0, on_host=False, resident_bytes=0)
        threads.clear()
        for _ in range(5):
            view.next(2)
        with pytest.raises(InputError, match=r"shards/3\.npy"):
            view.next(2)
    assert threads[0] == threading.current_thread().name
    assert {name.partition("_")[0] for name in threads[1:]} == {"batches"}


def test_a_cpu_needs_no_thread() -> None:
    assert isinstance(open_batches(Degraded, Arrays(20), CPU, 0, on_host=True, scale=2), Degraded)
