"""Log-mel pictures as people see spectrograms: time to the right, frequency upwards, loud is light."""

import numpy as np

from pipeline.arrays import Items, UInt8Array

COLOURS = np.array(
    [
        (0, 0, 4),
        (28, 16, 68),
        (79, 18, 123),
        (129, 37, 129),
        (181, 54, 122),
        (229, 80, 100),
        (251, 135, 97),
        (254, 194, 135),
        (252, 253, 191),
    ]
)
"""From silence to the loudest: black, purple, orange, white."""


def colour(items: Items) -> UInt8Array:
    """Return items [n, mels, frames, 1] as pictures in colour, uint8 [n, mels, frames, 3]."""
    places = np.linspace(0, 255, len(COLOURS))
    table = np.stack([np.interp(np.arange(256), places, COLOURS[:, c]) for c in range(3)], axis=1).round()
    pictures: UInt8Array = table.astype(np.uint8)[items[:, ::-1, :, 0]]
    return pictures
