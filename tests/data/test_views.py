"""Views: exact resumption, value range, degraded images, pairs and domains."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from pipeline.data.domain_views import Classes, Domains, Paired
from pipeline.data.store import ItemSet, PairSet
from pipeline.data.views import Degraded, Unlabelled
from pipeline.errors import InputError
from tests.specs import image_spec


class Arrays:
    """A data set in memory: image k has the value k everywhere but in one corner."""

    item = image_spec(4, 3)

    def __init__(self, n: int) -> None:
        self.pixels = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), dtype=np.uint8)
        self.pixels[:, 0, 0, 0] = 255
        self.labels = np.full(n, -1)

    def __len__(self) -> int:
        return len(self.pixels)

    def images(self, indices: npt.ArrayLike | None = None) -> npt.NDArray[np.uint8]:
        return self.pixels if indices is None else self.pixels[np.asarray(indices)]


class Photos(Arrays):
    """Images of three sizes for crops of 8 x 8 pixels: red is the row, green the column, blue the image."""

    item = image_spec(8, 3)

    def __init__(self) -> None:
        super().__init__(3)

    def read_uncropped(self, position: int) -> npt.NDArray[np.uint8]:
        height, width = [(8, 30), (20, 8), (11, 17)][position]
        rows, columns = np.mgrid[:height, :width]
        return np.stack([rows, columns, np.full_like(rows, position)], axis=2).astype(np.uint8)


CPU = torch.device("cpu")


def test_a_batch_is_in_the_network_s_range_and_channels_last() -> None:
    view = Unlabelled(Arrays(10), CPU, seed=0)
    batch = view.next(10)["item"]
    assert batch.shape == (10, 3, 4, 4)
    assert batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch.max() == 1.0
    back = ((batch + 1) * 127.5).round().to(torch.uint8)
    assert sorted(back[:, 1, 1, 1].tolist()) == list(range(10))
    assert (back[:, 0, 0, 0] == 255).all(), "height, width and channels are not mixed up"


def test_streamed_batches_equal_batches_from_memory() -> None:
    resident, streamed = (
        Unlabelled(Arrays(20), CPU, 3, flips=True),
        Unlabelled(Arrays(20), CPU, 3, flips=True, resident_bytes=0),
    )
    assert resident.sampler.resident is not None
    assert streamed.sampler.resident is None
    for _ in range(4):
        torch.testing.assert_close(resident.next(7)["item"], streamed.next(7)["item"], rtol=0, atol=0)


def test_flips_mirror_half_of_the_images_and_resume() -> None:
    view = Unlabelled(Arrays(50), CPU, 0, flips=True)
    corner = view.next(1000)["item"][:, 0, 0, :]
    left, right = (corner[:, 0] == 1).sum().item(), (corner[:, 3] == 1).sum().item()
    assert left + right == 1000
    assert 420 < left < 580
    other = Unlabelled(Arrays(50), CPU, 0, flips=True)
    other.restore(view.state())
    torch.testing.assert_close(other.next(64)["item"], view.next(64)["item"], rtol=0, atol=0)


def test_degraded_images_belong_to_their_targets_and_resume() -> None:
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


def test_degraded_images_of_different_sizes_are_crops() -> None:
    batch = Degraded(Photos(), CPU, 0, scale=4).next(6)
    assert batch["input"].shape == (6, 3, 2, 2)
    assert batch["target"].shape == (6, 3, 8, 8)


def two_sides(count: int = 30) -> PairSet:
    """Return pairs of equal images, B brighter by 1: red is the row, green the column, blue the pair."""
    rows, columns = np.mgrid[:8, :8]
    blue = np.arange(count)[:, None, None] * np.ones_like(rows)
    a = np.stack(np.broadcast_arrays(rows * 20, columns * 20, blue), axis=3).astype(np.uint8)
    wide = np.concatenate([a, a + 1], axis=2)
    names = [str(number) for number in range(count)]
    where: dict[str, Any] = {"shard": np.zeros(count, dtype=np.int64), "row": np.arange(count)}
    return PairSet(
        shards=[wide],
        **where,
        labels=np.full(count, -1),
        names=names,
        item=image_spec(8, 3),
        fingerprint="f",
        partners=None,
    )


def two_classes(counts: tuple[int, int] = (20, 30)) -> ItemSet:
    """Return images of constant values: 0 to 19 in class 0, 100 to 129 in class 1."""
    values = np.concatenate([np.arange(counts[0]), 100 + np.arange(counts[1])]).astype(np.uint8)
    pixels = values[:, None, None, None] * np.ones((1, 4, 4, 3), dtype=np.uint8)
    labels = np.repeat([0, 1], counts)
    where: dict[str, Any] = {"shard": np.zeros(len(values), dtype=np.int64), "row": np.arange(len(values))}
    return ItemSet(
        shards=[pixels],
        **where,
        labels=labels,
        names=[str(value) for value in values],
        item=image_spec(4, 3, ["horse", "deer"]),
        fingerprint="f",
    )


def pixels(batch: torch.Tensor) -> torch.Tensor:
    return ((batch + 1) * 127.5).round().int()


@pytest.mark.parametrize("resident", [True, False])
def test_partners_are_drawn_and_mirrored_together(resident: bool) -> None:
    options = {} if resident else {"resident_bytes": 0}
    view, plain = Paired(two_sides(), CPU, 5, flips=True, **options), Paired(two_sides(), CPU, 5)
    assert (view.samplers["a"].resident is not None) == resident
    mirrored = 0
    for _ in range(10):
        batch, unflipped = view.next(40), plain.next(40)
        assert set(batch) == {"a", "b"}
        assert batch["a"].shape == batch["b"].shape == (40, 3, 8, 8)
        assert batch["b"].is_contiguous(memory_format=torch.channels_last)
        assert (pixels(batch["b"]) - pixels(batch["a"]) == 1).all(), "both have the same orientation"
        turned = pixels(batch["a"])[:, 1, 0, 0] > 0
        expected = torch.where(turned[:, None, None, None], unflipped["a"].flip(3), unflipped["a"])
        assert torch.equal(batch["a"], expected), "A is mirrored horizontally only, and never replaced by B"
        mirrored += int(turned.sum())
    assert 150 < mirrored < 250


def test_domains_are_drawn_independently() -> None:
    view = Domains(two_classes(), CPU, 0)
    a, b = [], []
    for _ in range(30):
        batch = view.next(10)
        a += pixels(batch["a"])[:, 0, 0, 0].tolist()
        b += (pixels(batch["b"])[:, 0, 0, 0] - 100).tolist()
    assert sorted(a[:20]) == list(range(20))
    assert sorted(b[:30]) == list(range(30))
    assert sorted(a) == sorted(list(range(20)) * 15)
    together = len(set(zip(a, b, strict=True)))
    assert together > 200, "the combinations change from epoch to epoch"


@pytest.mark.parametrize(("kind", "data"), [(Paired, two_sides()), (Domains, two_classes()), (Classes, two_classes())])
@pytest.mark.parametrize("flips", [True, False])
@pytest.mark.parametrize("options", [{}, {"resident_bytes": 0}])
def test_pairs_and_domains_resume_bit_for_bit(
    kind: Any, data: ItemSet, flips: bool, options: dict[str, Any], tmp_path: Path
) -> None:
    view, other = kind(data, CPU, 3, flips=flips, **options), kind(data, CPU, 3, flips=flips)
    for _ in range(5):
        view.next(17)
    torch.save(view.state(), tmp_path / "state.pt")
    other.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    for _ in range(5):
        one, two = view.next(13), other.next(13)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_targets_are_uniform_and_references_belong_to_them() -> None:
    view = Classes(two_classes((5, 40)), CPU, 0)
    batches = [view.next(16) for _ in range(40)]
    label, target = (torch.cat([batch[name] for batch in batches]) for name in ("label", "target"))
    for name, classes in (("item", label), ("reference", target), ("other_reference", target)):
        values = pixels(torch.cat([batch[name] for batch in batches]))[:, 0, 0, 0]
        assert torch.equal((values >= 100).long(), classes), name
        assert len(set(values.tolist())) == 45, f"{name}: each item is drawn, however rare its class"
    pairs = (2 * label + target).bincount(minlength=4)
    assert ((pairs > 110) & (pairs < 210)).all(), "classes and targets are independent and equally frequent"
    same = [(batch["reference"] == batch["other_reference"]).flatten(1).all(dim=1) for batch in batches]
    assert torch.cat(same).float().mean() < 0.2, "the references of an image differ"


def test_data_without_the_needed_pairs_or_domains_is_rejected() -> None:
    with pytest.raises(InputError, match="needs pairs, but the data has none"):
        Paired(two_classes(), CPU, 0)
    with pytest.raises(InputError, match="needs two domains, but the data has pairs"):
        Domains(two_sides(), CPU, 0)
    with pytest.raises(InputError, match="this split has no item of 'deer'"):
        Domains(two_classes((5, 0)), CPU, 0)
    with pytest.raises(InputError, match="this split has no item of 'A'"):
        Paired(two_sides(0), CPU, 0)
    with pytest.raises(InputError, match="translates between classes, but the data has pairs"):
        Classes(two_sides(), CPU, 0)
    with pytest.raises(InputError, match="at least two classes"):
        Classes(two_classes((5, 0)), CPU, 0)
