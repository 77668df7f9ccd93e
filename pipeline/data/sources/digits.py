"""scikit-learn's handwritten digits, embedded: 1,797 images of 8x8, needing no network.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998).
"""

import functools
from collections.abc import Iterator

import numpy as np
from PIL import Image

from pipeline.arrays import UInt8Array
from pipeline.data.sources.base import Item
from pipeline.media.image.image import encode


class Digits:
    """Gray levels 0..16 scaled to 0..255; the class is the digit's name, "0" to "9"."""

    name = "digits"

    def stream(self) -> Iterator[Item]:
        from sklearn.datasets import load_digits

        data = load_digits()
        pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)
        for number, (image, digit) in enumerate(zip(pixels, data.target, strict=True)):
            yield Item(f"{digit}/{number:04d}.pgm", functools.partial(load, image))


def load(image: UInt8Array, limit: int) -> bytes:
    """One digit as a PGM file."""
    return encode(Image.fromarray(image))
