"""One recording for a model that transforms waves, and its result as a file."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Items
from pipeline.items import ItemSpec
from pipeline.media.audio.cuts import QUIET
from pipeline.media.audio.mel_codec import MelCodec
from pipeline.media.audio.settings import AudioLimits
from pipeline.media.audio.sound_file import read_recording, resample
from pipeline.media.audio.waves import read_waves, store_waves
from pipeline.media.codec import TransformInput

LEVEL = 0.95
"""Peak of a recording as a model takes it: that of training items (data.peak)."""


@dataclass(frozen=True)
class Gain:
    """What a recording was multiplied with."""

    factor: float


def read_wave(data: bytes, spec: ItemSpec, largest: int) -> TransformInput:
    """Return a recording as one wave [1, samples, 1] at the rate of a model and at full level. Raises BadItem."""
    recording = read_recording(data, AudioLimits(samples=min(AudioLimits().samples, largest)))
    rate = MelCodec.of(spec).sample_rate
    wave = resample(recording.wave, recording.rate, rate)
    losses = []
    if recording.channels > 1:
        losses.append(f"{recording.channels} channels became one")
    if recording.rate != rate:
        losses.append(f"resampled to the model's {rate:,} samples a second")
    factor = LEVEL / max(float(np.abs(wave).max(initial=0.0)), QUIET)
    return TransformInput(store_waves((wave * np.float32(factor))[None])[0], Gain(factor), tuple(losses))


def undo_level(values: Items, source: TransformInput) -> Items:
    """Return a result [1, samples, 1] at the level of its source."""
    assert isinstance(source.properties, Gain)
    items: Items = store_waves(read_waves(values[None]) / np.float32(source.properties.factor))[0]
    return items
