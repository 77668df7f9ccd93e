"""Clips that are stored as waves, int16 [1, samples, 1], and the log-mel pictures by which all clips are measured."""

import numpy as np

from pipeline.arrays import Float32Array, Items, UInt8Array
from pipeline.items import ItemSpec
from pipeline.media.audio.mel_codec import MelCodec

HIGHEST = 32_767
"""Stored value of full scale."""
AT_ONCE = 256
"""Waves that become pictures at once, so that memory does not grow with a set."""


def is_wave(spec: ItemSpec) -> bool:
    """Return whether clips of this spec are waves; a picture has more than one row."""
    return spec.height == 1


def picture_spec(spec: ItemSpec) -> ItemSpec:
    """Return the spec of the log-mel pictures of clips; pictures are pictures already."""
    if not is_wave(spec):
        return spec
    codec = MelCodec.of(spec)
    size = {"height": codec.mels, "width": codec.frames, "dtype": "uint8"}
    return spec.model_copy(update={**size, "details": dict(codec.details())})


def wave_spec(spec: ItemSpec) -> ItemSpec:
    """Return the spec of the waves that pictures of this spec show."""
    codec = MelCodec.of(spec)
    size = {"height": 1, "width": codec.samples, "dtype": "int16"}
    return spec.model_copy(update={**size, "details": codec.details() | {"mels": codec.mels}})


def store_waves(waves: Float32Array) -> Items:
    """Return waves [n, samples] in -1 .. 1 as stored items, int16 [n, 1, samples, 1]."""
    levels = np.clip(np.rint(waves * np.float32(HIGHEST)), -HIGHEST, HIGHEST)
    items: Items = levels.astype(np.int16)[:, None, :, None]
    return items


def read_waves(items: Items) -> Float32Array:
    """Return stored waves [n, 1, samples, 1] as float32 [n, samples] in -1 .. 1."""
    waves: Float32Array = items[:, 0, :, 0].astype(np.float32) / np.float32(HIGHEST)
    return waves


def to_picture(waves: Float32Array, codec: MelCodec) -> UInt8Array:
    """Return waves [n, samples] as stored pictures, uint8 [n, mels, frames, 1]."""
    levels = np.floor(codec.encode(waves) * 255 + 0.5)
    return np.ascontiguousarray(levels[..., None].astype(np.uint8))


def pictures_of(items: Items, spec: ItemSpec) -> Items:
    """Return clips of a spec [n, H, W, C] as log-mel pictures, uint8 [n, mels, frames, 1]."""
    if not is_wave(spec):
        return items
    codec = MelCodec.of(spec)
    parts = [to_picture(read_waves(items[start : start + AT_ONCE]), codec) for start in range(0, len(items), AT_ONCE)]
    return np.concatenate(parts) if parts else np.empty((0, codec.mels, codec.frames, 1), dtype=np.uint8)


def from_pictures(pictures: Items, spec: ItemSpec) -> Items:
    """Return log-mel pictures as clips of a spec: of waves, those that Griffin-Lim finds."""
    if not is_wave(spec):
        return pictures
    return store_waves(MelCodec.of(spec).decode(pictures[..., 0].astype(np.float32) / 255))
