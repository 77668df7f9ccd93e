"""Numbers of each clip: light, contrast, edges and motion, and what a viewer sees over time."""

from collections.abc import Mapping

import numpy as np

from pipeline.arrays import Float32Array, Float64Array, UInt8Array

EQUAL = 0.02
"""Mean change between neighbouring frames, as a share of the clip's contrast, below which they count as equal."""
DARK = 0.01
"""Mean level that is added where a level is a divisor."""


def statistics(clips: UInt8Array) -> Mapping[str, Float64Array]:
    """Return brightness, contrast, edges and motion of clips [n, T, H, W, C], each [n], from levels 0..1."""
    values = levels(clips)
    rows = values.reshape(len(clips), -1)
    across, down = (np.abs(np.diff(values, axis=axis)).mean(axis=(1, 2, 3, 4)) for axis in (3, 2))
    found = {
        "brightness": rows.mean(axis=1),
        "contrast": rows.std(axis=1),
        "edges": (across + down) / 2,
        "motion": changes(values, 1).mean(axis=1),
    }
    return {name: value.astype(np.float64) for name, value in found.items()}


def levels(clips: UInt8Array) -> Float32Array:
    """Return clips with levels 0..1."""
    return np.asarray(clips, dtype=np.float32) / np.float32(255)


def changes(values: Float32Array, lag: int) -> Float32Array:
    """Return the mean change between frames that are `lag` apart, of levels [n, T, H, W, C], [n, T - lag]."""
    found: Float32Array = np.abs(values[:, lag:] - values[:, :-lag]).mean(axis=(2, 3, 4))
    return found
