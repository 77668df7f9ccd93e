"""A recording as items: offset removed, trimmed, resampled, scaled, and cut to one length."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.arrays import Float32Array
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.sound_file import Recording, resample
from pipeline.media.audio.waves import store_waves, to_picture
from pipeline.media.codec import Item

BEFORE, AFTER = 0.01, 0.05
"""Seconds that trimming leaves at the start and at the end."""
FADE = 0.005
"""Seconds over which a recording that goes on is faded in and out at a cut, so that it does not click."""
FULL_SCALE = 0.999
"""Largest value that is not clipped; 16 bits end at 0.99997."""
QUIET = 1e-4
"""Smallest peak that is scaled: -80 dB. Less is silence, which must not become noise."""
SMALLEST = 1e-8


def cut_items(recording: Recording, settings: AudioSettings) -> Iterator[Item]:
    """Yield the items of a recording as pictures or waves, with facts about both."""
    for wave, facts in cut_waves(recording, settings):
        if settings.representation == "wave":
            yield Item(store_waves(wave[None])[0], facts)
        else:
            yield Item(to_picture(wave[None], settings.codec)[0], facts)


def cut_waves(recording: Recording, settings: AudioSettings) -> Iterator[tuple[Float32Array, dict[str, Any]]]:
    """Yield the waves of a recording's items, float32 [samples], with facts about both.

    A rest that is shorter than half an item is left out, unless it is the whole recording.
    """
    codec = settings.codec
    offset = float(recording.wave.mean(dtype=np.float64))
    whole = trim(recording.wave - np.float32(offset), recording.rate, settings.trim)
    whole = resample(whole, recording.rate, codec.sample_rate)
    top = float(np.abs(whole).max(initial=0.0))
    gain = settings.peak / max(top, QUIET) if settings.peak is not None else 1.0
    facts = {
        "rate": recording.rate,
        "rate_share": recording.rate / codec.sample_rate,
        "channels": recording.channels,
        "kind": recording.kind,
        "duration": recording.seconds,
        "peak": recording.peak,
        "offset": abs(offset),
        "clipped_share": float((np.abs(recording.wave) >= FULL_SCALE).mean()),
    }
    for start in starts(len(whole), codec.samples, first=settings.long == "first"):
        part = whole[start : start + codec.samples]
        wave = np.zeros(codec.samples, dtype=np.float32)
        wave[: len(part)] = part
        fade(wave, codec.sample_rate, begins=start == 0, ends=start + codec.samples >= len(whole))
        power = float(np.square(part, dtype=np.float64).mean()) if len(part) else 0.0
        own = {
            "start": start / codec.sample_rate,
            "padded_share": 1 - len(part) / codec.samples,
            "level_db": 10 * float(np.log10(power + SMALLEST**2)),
        }
        yield np.asarray(gain * wave, dtype=np.float32), facts | own


def starts(length: int, size: int, *, first: bool) -> range | list[int]:
    """Return where the items of a recording of `length` samples begin."""
    if first or length <= size:
        return [0]
    return range(0, length - size // 2 + 1, size)


def trim(wave: Float32Array, rate: int, below: float | None) -> Float32Array:
    """Return a wave without the start and end that stay `below` decibels under its peak; None keeps them."""
    if below is None or not len(wave):
        return wave
    loud = np.flatnonzero(np.abs(wave) > np.abs(wave).max() * 10 ** (-below / 20))
    if not len(loud):
        return wave
    return wave[max(0, loud[0] - round(BEFORE * rate)) : loud[-1] + 1 + round(AFTER * rate)]


def fade(wave: Float32Array, rate: int, *, begins: bool, ends: bool) -> None:
    """Fade an item in and out, in place, where its recording goes on."""
    ramp = np.linspace(0, 1, min(len(wave), max(2, round(FADE * rate))), dtype=np.float32)
    if not begins:
        wave[: len(ramp)] *= ramp
    if not ends:
        wave[-len(ramp) :] *= ramp[::-1]
