"""Endless sampling: every image once per epoch, exact resumption, crops from all positions."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.batch_sampling import RESIDENT_BYTES, BatchSampler, CropSampler, Shuffle, build_sampler
from tests.data.test_views import Arrays, Photos

CPU = torch.device("cpu")


@given(n=st.integers(1, 40), sizes=st.lists(st.integers(1, 50), min_size=1, max_size=8), seed=st.integers(0, 5))
def test_each_epoch_is_a_permutation(n: int, sizes: list[int], seed: int) -> None:
    shuffle = Shuffle(n, seed, CPU)
    drawn = np.concatenate([shuffle.take(size) for size in sizes])
    assert len(drawn) == sum(sizes)
    for start in range(0, len(drawn) - n + 1, n):
        assert sorted(drawn[start : start + n]) == list(range(n))


@given(n=st.integers(1, 30), before=st.integers(1, 90), seed=st.integers(0, 3))
def test_a_resumed_order_equals_an_uninterrupted_one(n: int, before: int, seed: int) -> None:
    uninterrupted = Shuffle(n, seed, CPU)
    uninterrupted.take(before)
    state = uninterrupted.state()
    resumed = Shuffle(n, seed, CPU)
    resumed.restore(state)
    assert resumed.take(45).tolist() == uninterrupted.take(45).tolist()


def test_epochs_have_different_orders() -> None:
    shuffle = Shuffle(100, 0, CPU)
    assert shuffle.take(100).tolist() != shuffle.take(100).tolist()


def levels(images: torch.Tensor) -> torch.Tensor:
    return images.add(1).mul(127.5).round().long()


def test_crops_come_from_all_positions_of_their_images() -> None:
    crops = CropSampler(Photos(), CPU, 0, flips=False)
    tops: dict[int, set[tuple[int, int]]] = {0: set(), 1: set(), 2: set()}
    for _ in range(200):
        images = crops.take(3)
        assert images.shape == (3, 3, 8, 8)
        assert images.is_contiguous(memory_format=torch.channels_last)
        for picture in levels(images):
            top, left, number = picture[:, 0, 0].tolist()
            rows, columns = np.mgrid[top : top + 8, left : left + 8]
            assert (picture[0].numpy() == rows).all()
            assert (picture[1].numpy() == columns).all()
            tops[number].add((top, left))
    assert {left for _, left in tops[0]} == set(range(23))
    assert {top for top, _ in tops[1]} == set(range(13))
    assert {top for top, _ in tops[2]} == set(range(4))


@pytest.mark.parametrize("flips", [True, False])
def test_resumed_crops_equal_uninterrupted_ones(flips: bool) -> None:
    uninterrupted, resumed = (CropSampler(Photos(), CPU, 1, flips=flips) for _ in range(2))
    uninterrupted.take(5)
    resumed.restore(uninterrupted.state())
    assert torch.equal(uninterrupted.take(20), resumed.take(20))
    other_places = CropSampler(Photos(), CPU, 1, flips=flips)
    other_places.restore({**uninterrupted.state(), "places": torch.Generator().manual_seed(9).get_state()})
    assert not torch.equal(uninterrupted.take(20), other_places.take(20))


def test_images_of_different_sizes_are_sampled_as_crops() -> None:
    assert type(build_sampler(Arrays(3), CPU, 0, flips=False, resident_bytes=RESIDENT_BYTES)) is BatchSampler
    assert type(build_sampler(Photos(), CPU, 0, flips=False, resident_bytes=RESIDENT_BYTES)) is CropSampler
