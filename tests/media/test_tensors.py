"""Stored items as network values, and back: every dtype and categories, in NumPy and in torch, against closed forms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from pipeline.arrays import Items
from pipeline.items import Dtype, ItemSpec
from pipeline.media import scale
from pipeline.media.scale import scale_of
from pipeline.media.tensors import Tensors

Floats = npt.NDArray[Any]
DTYPES: tuple[Dtype, ...] = ("uint8", "int16", "uint16")
HEIGHT, WIDTH, CHANNELS = 4, 32, 2
"""No two axes are equal, so that a wrong order of axes shows."""


def spec_of(dtype: Dtype, symbols: int = 0) -> ItemSpec:
    return ItemSpec(height=HEIGHT, width=WIDTH, channels=CHANNELS, dtype=dtype, symbols=symbols)


def all_values(dtype: Dtype) -> Items:
    """Return items that contain every value of the dtype exactly once."""
    limits = np.iinfo(dtype)
    return np.arange(limits.min, limits.max + 1).astype(dtype).reshape(-1, HEIGHT, WIDTH, CHANNELS)


def to_network_numpy(items: Items, spec: ItemSpec) -> Floats:
    return scale.to_network(items, spec)


def to_network_torch(items: Items, spec: ItemSpec) -> Floats:
    values = Tensors(spec).to_network(torch.from_numpy(items))
    assert values.dtype == torch.float32
    return np.asarray(values)


def from_network_numpy(values: Floats, spec: ItemSpec) -> Items:
    return scale.from_network(values, spec)


def from_network_torch(values: Floats, spec: ItemSpec) -> Items:
    return Tensors(spec).from_network(torch.from_numpy(values))


TO_NETWORK = pytest.mark.parametrize("to_network", [to_network_numpy, to_network_torch])
FROM_NETWORK = pytest.mark.parametrize("from_network", [from_network_numpy, from_network_torch])
EACH_DTYPE = pytest.mark.parametrize("dtype", DTYPES)
ToNetwork = Callable[[Items, ItemSpec], Floats]
FromNetwork = Callable[[Floats, ItemSpec], Items]


def closed_form(items: Items) -> Floats:
    """Return network values in float64: unsigned v / (top / 2) - 1, signed v / top."""
    top = float(np.iinfo(items.dtype).max)
    exact = items.astype(np.float64)
    return (exact / top if items.dtype.kind == "i" else exact / (top / 2) - 1).transpose(0, 3, 1, 2)


@EACH_DTYPE
@TO_NETWORK
def test_network_values_equal_the_closed_form(to_network: ToNetwork, dtype: Dtype) -> None:
    items = all_values(dtype)
    values = to_network(items, spec_of(dtype))
    assert values.dtype == np.float32
    assert values.shape == (len(items), CHANNELS, HEIGHT, WIDTH)
    np.testing.assert_allclose(values, closed_form(items), rtol=0, atol=2**-23)
    assert values.max() == 1
    assert values.min() == (-1 if np.dtype(dtype).kind == "u" else np.float32(-32768 / 32767))


@EACH_DTYPE
@TO_NETWORK
@FROM_NETWORK
def test_every_stored_value_survives_the_round_trip(
    to_network: ToNetwork, from_network: FromNetwork, dtype: Dtype
) -> None:
    items, spec = all_values(dtype), spec_of(dtype)
    restored = from_network(to_network(items, spec), spec)
    assert restored.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(restored, items)


@EACH_DTYPE
def test_numpy_and_torch_agree_bit_for_bit(dtype: Dtype) -> None:
    items, spec = all_values(dtype), spec_of(dtype)
    np.testing.assert_array_equal(to_network_numpy(items, spec), to_network_torch(items, spec))


@EACH_DTYPE
@FROM_NETWORK
def test_network_values_are_rounded_to_the_nearest_level_and_clipped(from_network: FromNetwork, dtype: Dtype) -> None:
    """The values lie up to 0.45 levels off the stored ones, some of which are outside of the dtype's range."""
    rng, limits = np.random.default_rng(0), np.iinfo(dtype)
    shape = (500, HEIGHT, WIDTH, CHANNELS)
    levels = rng.integers(limits.min - 1000, limits.max + 1000, shape)
    scale = scale_of(dtype)
    values = (levels + rng.uniform(-0.45, 0.45, shape)) / scale.half - scale.offset
    found = from_network(values.transpose(0, 3, 1, 2).astype(np.float32), spec_of(dtype))
    np.testing.assert_array_equal(found, levels.clip(limits.min, limits.max))


@EACH_DTYPE
@FROM_NETWORK
def test_nonfinite_network_values_become_0(from_network: FromNetwork, dtype: Dtype) -> None:
    values = np.ones((3, CHANNELS, HEIGHT, WIDTH), dtype=np.float32)
    values[0], values[1], values[2] = np.nan, np.inf, -np.inf
    assert not from_network(values, spec_of(dtype)).any()


@EACH_DTYPE
def test_feature_extractors_see_0_to_255(dtype: Dtype) -> None:
    items = all_values(dtype)
    tensors = Tensors(spec_of(dtype))
    features = tensors.to_features(torch.from_numpy(items))
    np.testing.assert_allclose(features, closed_form(items) * 127.5 + 127.5, rtol=0, atol=5e-5)
    again = tensors.network_to_features(tensors.to_network(torch.from_numpy(items)))
    np.testing.assert_allclose(again, features, rtol=0, atol=5e-5)
    if dtype == "uint8":
        np.testing.assert_array_equal(features, items.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(("dtype", "symbols"), [("uint8", 5), ("uint8", 256), ("uint16", 300)])
@TO_NETWORK
@FROM_NETWORK
def test_categories_become_one_map_per_channel_and_symbol(
    to_network: ToNetwork, from_network: FromNetwork, dtype: Dtype, symbols: int
) -> None:
    spec = spec_of(dtype, symbols)
    items = np.random.default_rng(0).integers(0, symbols, (6, HEIGHT, WIDTH, CHANNELS)).astype(dtype)
    values = to_network(items, spec)
    assert values.dtype == np.float32
    assert values.shape == (6, spec.network_channels, HEIGHT, WIDTH) == (6, CHANNELS * symbols, HEIGHT, WIDTH)
    for channel in range(CHANNELS):
        maps = values[:, channel * symbols : (channel + 1) * symbols]
        expected = items[:, None, :, :, channel] == np.arange(symbols)[:, None, None]
        np.testing.assert_array_equal(maps, expected)
    restored = from_network(values - 0.5 + np.random.default_rng(1).uniform(0, 0.9, values.shape), spec)
    assert restored.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(restored, items)
