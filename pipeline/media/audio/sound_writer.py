"""Write a wave as a sound file of 16 bits."""

import io
import wave

import numpy as np

from pipeline.arrays import Float32Array

HIGHEST = 32_767


def write_sound(samples: Float32Array, rate: int, suffix: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a mono WAV or FLAC file of samples [n] in -1 .. 1, and what is lost, in words.

    A sound that exceeds -1 .. 1 is made quieter; its values would wrap around.
    """
    finite = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(np.abs(finite).max(initial=0.0))
    losses = (f"made quieter by {20 * np.log10(peak):.1f} dB: it exceeded full scale",) if peak > 1 else ()
    levels = np.rint(finite * (HIGHEST / max(peak, 1.0))).astype("<i2")
    out = io.BytesIO()
    if suffix == ".wav":
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(levels.tobytes())
    else:
        import soundfile

        soundfile.write(out, levels, rate, format=suffix.removeprefix(".").upper(), subtype="PCM_16")
    return out.getvalue(), losses
