"""Find the key of a piece by its pitch classes: C. Krumhansl, Cognitive Foundations of Musical Pitch (1990)."""

import numpy as np

from pipeline.arrays import Int64Array

MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
KEYS = ((MAJOR, 0), (MINOR, 9))
"""Profiles of the pitch classes from the tonic on, and the tonic to transpose to: C of major, A of minor."""


def find_shift(pitches: Int64Array) -> int:
    """Return the semitones, -6 to 5, that transpose a piece to C major or A minor; 0 for a single pitch class."""
    counts = np.bincount(pitches[pitches >= 0] % 12, minlength=12).astype(np.float64)
    if np.count_nonzero(counts) < 2:
        return 0
    fits = [
        (float(np.corrcoef(np.roll(counts, -tonic), profile)[0, 1]), (goal - tonic) % 12)
        for tonic in range(12)
        for profile, goal in KEYS
    ]
    shift = max(fits)[1]
    return shift - 12 if shift > 5 else shift
