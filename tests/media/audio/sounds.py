"""Sound files for tests."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

Wave = npt.NDArray[np.floating[Any]]


def sine(hertz: float, rate: int = 8000, seconds: float = 0.512, level: float = 0.5) -> Wave:
    """Return a sine [n]."""
    return level * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def sound(wave: Wave, rate: int = 8000, kind: str = "WAV", subtype: str | None = None, endian: str = "FILE") -> bytes:
    """Return a wave [n] or [n, channels] as a file."""
    out = io.BytesIO()
    soundfile.write(out, wave, rate, format=kind, subtype=subtype, endian=endian)
    return out.getvalue()
