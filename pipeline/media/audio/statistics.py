"""Numbers of single clips that a listener notices before the content: loudness, timbre, noise, dynamics."""

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Items
from pipeline.items import ItemSpec
from pipeline.media.audio.mel_codec import MelCodec


def decibels(items: Items, floor_db: float) -> FloatArray:
    """Return the levels of items [n, mels, frames, 1], [n, mels, frames]."""
    levels: FloatArray = (1 - items[..., 0].astype(np.float32) / 255) * np.float32(floor_db)
    return levels


def powers(items: Items, floor_db: float) -> FloatArray:
    """Return the powers of items [n, mels, frames, 1], relative to a sine at full scale; the floor is 0."""
    found: FloatArray = np.power(10, decibels(items, floor_db) / 10) - np.float32(10 ** (floor_db / 10))
    return found


def statistics(items: Items, spec: ItemSpec) -> dict[str, Float64Array]:
    """Return six numbers of each item [n, mels, frames, 1], each [n].

    - loudness: root of the mean power over time;
    - centroid: mean mel band, weighted with the power, from 1;
    - treble: share of the power in the upper half of the bands;
    - flatness: geometric over arithmetic mean of the bands' power: 1 for white noise, near 0 for a tone;
    - crest: root of the largest over the mean power of a column;
    - texture: mean difference between neighbouring columns and bands, in decibels.
    """
    floor = MelCodec.of(spec).floor_db
    levels, power = decibels(items, floor), powers(items, floor).astype(np.float64)
    bands, columns = power.mean(axis=2), power.sum(axis=1)
    total = bands.sum(axis=1) + 1e-12
    places = np.arange(1, spec.height + 1)
    small = total[:, None] * 1e-6 / spec.height
    found = {
        "loudness": np.sqrt(total),
        "centroid": bands @ places / total,
        "treble": bands[:, spec.height // 2 :].sum(axis=1) / total,
        "flatness": np.exp(np.log(bands + small).mean(axis=1)) / (bands + small).mean(axis=1),
        "crest": np.sqrt((columns.max(axis=1) + 1e-12) / (columns.mean(axis=1) + 1e-12)),
        "texture": sum(np.abs(np.diff(levels, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)),
    }
    return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}
