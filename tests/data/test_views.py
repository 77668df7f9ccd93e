"""Views: exact resumption, the value range, degraded pairs."""

import numpy as np
import numpy.typing as npt
import torch

from pipeline.data.views import Degraded, Unlabelled


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


class Photos(Arrays):
    """Images of three sizes, of which crops of 8 are taken: the red is the row, the green the column."""

    resolution = 8

    def __init__(self) -> None:
        super().__init__(3)

    def picture(self, position: int) -> npt.NDArray[np.uint8]:
        height, width = [(8, 30), (20, 8), (11, 17)][position]
        rows, columns = np.mgrid[:height, :width]
        return np.stack([rows, columns, np.full_like(rows, position)], axis=2).astype(np.uint8)


CPU = torch.device("cpu")


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


def test_degraded_pairs_resume_and_are_of_one_image() -> None:
    view, other = (Degraded(Arrays(20), CPU, 0, flips=True, gaussian=(5.0, 50.0)) for _ in range(2))
    view.next(7)
    other.restore(view.state())
    first, second = view.next(9), other.next(9)
    for name in ("input", "target"):
        torch.testing.assert_close(first[name], second[name], rtol=0, atol=0)
    assert (first["input"] != first["target"]).float().mean() > 0.8
    half = Degraded(Arrays(20), CPU, 0, scale=2).next(20)
    assert half["input"].shape == (20, 3, 2, 2)
    inner = half["target"][:, 1:, 2:, 2:].mean(dim=(1, 2, 3))
    torch.testing.assert_close(half["input"][:, 1:, 1, 1].mean(dim=1), inner, rtol=0, atol=2 / 127.5)


def test_degraded_photographs_are_crops() -> None:
    batch = Degraded(Photos(), CPU, 0, scale=4).next(6)
    assert batch["input"].shape == (6, 3, 2, 2)
    assert batch["target"].shape == (6, 3, 8, 8)
