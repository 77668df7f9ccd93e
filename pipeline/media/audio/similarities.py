"""How near a restored clip is to its original, and what a spectral gate makes of a noisy one without learning."""

import numpy as np

from pipeline.arrays import Float32Array, Float64Array, Items
from pipeline.items import ItemSpec
from pipeline.media.audio.mel_codec import MelCodec
from pipeline.media.audio.waves import pictures_of, read_waves, store_waves
from pipeline.media.restoration import INPUT, Similarity

MOST = 60.0
"""Decibels of a ratio of powers at most: more is equal at 16 bits."""
SMALLEST = 1e-10
GATES = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
"""Multiples of the noise that are removed; 0 leaves a clip as it is. Speech in white noise needs 5 to 6."""
NOISE = 0.2
"""Share of the quietest windows whose mean is taken for the noise at a frequency."""
KEPT = 0.05
"""Share of a magnitude that a gate leaves at least."""


def si_sdr(items: Items, originals: Items, spec: ItemSpec) -> Float64Array:
    """Return the scale-invariant signal-to-distortion ratio (Le Roux 2019, eq. 3) in decibels, [n]."""
    ours, theirs = (waves - waves.mean(axis=1, keepdims=True) for waves in map(in_full, (items, originals)))
    scale = (ours * theirs).sum(axis=1, keepdims=True) / ((theirs**2).sum(axis=1, keepdims=True) + SMALLEST)
    target = scale * theirs
    signal, distortion = ((part**2).sum(axis=1) + SMALLEST for part in (target, ours - target))
    ratio: Float64Array = np.clip(10 * np.log10(signal / distortion), -MOST, MOST)
    return ratio


def in_full(items: Items) -> Float64Array:
    """Return waves in double precision, [n, samples]."""
    return read_waves(items).astype(np.float64)


def mel_error(items: Items, originals: Items, spec: ItemSpec) -> Float64Array:
    """Return the mean absolute difference of the log-mel pictures in decibels, [n]."""
    ours, theirs = (pictures_of(clips, spec).astype(np.float64) for clips in (items, originals))
    error: Float64Array = np.abs(ours - theirs).mean(axis=(1, 2, 3)) * -MelCodec.of(spec).floor_db / 255
    return error


SIMILARITIES = (
    # It compares waves sample by sample, so it needs inputs with phases.
    Similarity("si_sdr", "scale-invariant signal-to-distortion ratio in dB", si_sdr, needs=INPUT),
    Similarity("mel_error", "mean absolute error of the log-mel picture in dB", mel_error, higher=False),
)


def best_gate(given: Items, originals: Items, spec: ItemSpec) -> Items:
    """Return degraded clips after a spectral gate, whose strength brings them nearest to the originals on average.

    The distance is the SI-SDR. One strength for all clips is what somebody without the originals could have set.
    """
    if not len(given):
        return given
    copies = [gate_spectrum(given, spec, strength) for strength in GATES]
    return max(copies, key=lambda copy: float(si_sdr(copy, originals, spec).mean()))


def gate_spectrum(items: Items, spec: ItemSpec, strength: float) -> Items:
    """Return clips without what is below a multiple of the noise, which the quietest windows show."""
    if not strength or not len(items):
        return items
    codec = MelCodec.of(spec)
    spectra: Float32Array = codec.transform(read_waves(items))
    bins = codec.bins
    magnitudes = np.sqrt(spectra[..., :bins] ** 2 + spectra[..., bins:] ** 2)
    quiet = max(1, round(NOISE * codec.frames))
    noise = np.sort(magnitudes, axis=1)[:, :quiet].mean(axis=1, keepdims=True)
    gain = np.sqrt(np.maximum(1 - (strength * noise / np.maximum(magnitudes, 1e-6)) ** 2, KEPT**2))
    return store_waves(codec.invert(np.concatenate([gain, gain], axis=2) * spectra))
