"""Stored integers as floats that networks see, and back: one formula for every medium whose values lie on a scale.

Unsigned values 0 .. top become v / (top / 2) - 1. The inverse is floor(top / 2 * x + (top + 1) / 2); for uint8 that is
floor(127.5 x + 128). Signed values become v / top, so 0 stays 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Float32Array, Items
from pipeline.items import ItemSpec


@dataclass(frozen=True)
class Scale:
    """The range of one dtype as a linear map onto [-1, 1]: x = v / `half` - `offset`."""

    dtype: np.dtype[Any]
    half: float
    offset: float

    @property
    def lowest(self) -> int:
        """The smallest stored value."""
        return int(np.iinfo(self.dtype).min)

    @property
    def highest(self) -> int:
        """The largest stored value."""
        return int(np.iinfo(self.dtype).max)

    @property
    def rounding(self) -> float:
        """What is added to `half` x before rounding down."""
        return self.half * self.offset + 0.5

    @property
    def formula(self) -> str:
        """The way back in words, as a protocol states it."""
        return f"floor({self.half:g}x+{self.rounding:g})"


def scale_of(dtype: npt.DTypeLike) -> Scale:
    """Return the scale of an integer dtype."""
    kind = np.dtype(dtype)
    top = float(np.iinfo(kind).max)
    return Scale(kind, top / 2, 1.0) if kind.kind == "u" else Scale(kind, top, 0.0)


BYTES = scale_of(np.uint8)
"""The scale of uint8: 127.5 levels for one unit of [-1, 1]."""


def describe_rounding(spec: ItemSpec) -> str:
    """Return the way back in words, as a protocol states it."""
    return "argmax" if spec.symbols else scale_of(spec.dtype).formula


def code_to_items(spec: ItemSpec, name: str) -> str:
    """Return numpy code that turns the array `name`, float [n, C', H, W], into stored values [n, C, H, W]."""
    if spec.symbols:
        shape = f"(-1, {spec.channels}, {spec.symbols}, *{name}.shape[2:])"
        return f"{name}.reshape({shape}).argmax(axis=2).astype(np.{spec.dtype})"
    scale = scale_of(spec.dtype)
    levels = f"np.floor({scale.half:g} * {name} + {scale.rounding:g})"
    return f"np.clip({levels}, {scale.lowest}, {scale.highest}).astype(np.{spec.dtype})"


def to_network(items: Items, spec: ItemSpec) -> Float32Array:
    """Return stored items [n, H, W, C] as a network takes them, float32 [n, C', H, W]; categories are one-hot."""
    if spec.symbols:
        maps = np.eye(spec.symbols, dtype=np.float32)[items.transpose(0, 3, 1, 2)]
        n, channels, height, width, symbols = maps.shape
        return np.ascontiguousarray(maps.transpose(0, 1, 4, 2, 3)).reshape(n, channels * symbols, height, width)
    scale = scale_of(spec.dtype)
    floats = items.astype(np.float32) / np.float32(scale.half) - np.float32(scale.offset)
    return np.ascontiguousarray(floats.transpose(0, 3, 1, 2))


def from_network(values: npt.NDArray[np.floating[Any]], spec: ItemSpec) -> Items:
    """Return a network's output [n, C', H, W] as items [n, H, W, C]: rounded and clipped, or the likeliest category.

    Values that are not finite become 0; a caller that must know of them looks before.
    """
    if spec.symbols:
        n, channels, height, width = values.shape
        maps = values.reshape(n, channels // spec.symbols, spec.symbols, height, width)
        symbols: Items = maps.argmax(axis=2).transpose(0, 2, 3, 1).astype(spec.dtype)
        return symbols
    scale = scale_of(spec.dtype)
    levels = values * np.float32(scale.half) + np.float32(scale.rounding)
    levels = np.clip(np.nan_to_num(levels, nan=0.0, posinf=0.0, neginf=0.0), scale.lowest, scale.highest)
    items: Items = np.floor(levels).astype(scale.dtype).transpose(0, 2, 3, 1)
    return items
