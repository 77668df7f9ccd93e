"""Views: every image once an epoch, exact resumption, the value range."""

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.views import Shuffle, Unlabelled


class Arrays:
    """A data set in memory: image k is filled with the value k."""

    def __init__(self, n: int) -> None:
        self.pixels = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), dtype=np.uint8)
        self.pixels[:, 0, 0, 0] = 255
        self.labels = np.full(n, -1)

    def __len__(self) -> int:
        return len(self.pixels)

    def images(self, indices: npt.ArrayLike | None = None) -> npt.NDArray[np.uint8]:
        return self.pixels if indices is None else self.pixels[np.asarray(indices)]


CPU = torch.device("cpu")


@given(n=st.integers(1, 40), sizes=st.lists(st.integers(1, 50), min_size=1, max_size=8), seed=st.integers(0, 5))
def test_each_epoch_is_a_permutation(n: int, sizes: list[int], seed: int) -> None:
    shuffle = Shuffle(n, seed)
    drawn = np.concatenate([shuffle.take(size) for size in sizes])
    assert len(drawn) == sum(sizes)
    for start in range(0, len(drawn) - n + 1, n):
        assert sorted(drawn[start : start + n]) == list(range(n))


@given(n=st.integers(1, 30), before=st.integers(1, 90), seed=st.integers(0, 3))
def test_resumed_order_is_the_undisturbed_one(n: int, before: int, seed: int) -> None:
    undisturbed = Shuffle(n, seed)
    undisturbed.take(before)
    state = undisturbed.state()
    resumed = Shuffle(n, seed)
    resumed.restore(state)
    assert resumed.take(45).tolist() == undisturbed.take(45).tolist()


def test_epochs_differ() -> None:
    shuffle = Shuffle(100, 0)
    assert shuffle.take(100).tolist() != shuffle.take(100).tolist()


def test_batch_is_the_images_in_range_and_channels_last() -> None:
    view = Unlabelled(Arrays(10), CPU, seed=0)
    batch = view.next(10)["image"]
    assert batch.shape == (10, 3, 4, 4)
    assert batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch.max() == 1.0
    back = ((batch + 1) * 127.5).round().to(torch.uint8)
    assert sorted(back[:, 1, 1, 1].tolist()) == list(range(10))
    assert (back[:, 0, 0, 0] == 255).all(), "height, width and channels keep their places"


def test_streamed_batches_equal_resident_ones() -> None:
    resident, streamed = Unlabelled(Arrays(20), CPU, 3, flips=True), Unlabelled(Arrays(20), CPU, 3, flips=True, resident_bytes=0)
    assert resident.drawing.resident is not None
    assert streamed.drawing.resident is None
    for _ in range(4):
        torch.testing.assert_close(resident.next(7)["image"], streamed.next(7)["image"], rtol=0, atol=0)


def test_flips_mirror_about_half_and_resume() -> None:
    view = Unlabelled(Arrays(50), CPU, 0, flips=True)
    corner = view.next(1000)["image"][:, 0, 0, :]
    left, right = (corner[:, 0] == 1).sum().item(), (corner[:, 3] == 1).sum().item()
    assert left + right == 1000
    assert 420 < left < 580
    other = Unlabelled(Arrays(50), CPU, 0, flips=True)
    other.restore(view.state())
    torch.testing.assert_close(other.next(64)["image"], view.next(64)["image"], rtol=0, atol=0)
