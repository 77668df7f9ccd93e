"""scikit-learn's handwritten digits: 1,797 images of 8 x 8 pixels that need no download.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998).
"""

import functools
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from pipeline.arrays import Int64Array, UInt8Array
from pipeline.media.image.pillow_arrays import write_lossless


class Digits:
    """Gray levels 0..16, scaled to 0..255; the class is the digit, "0" to "9"."""

    name = "digits"

    def files(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield one PGM file a digit."""
        for number, (image, digit) in enumerate(zip(*load_pixels(), strict=True)):
            yield f"{digit}/{number:04d}.pgm", functools.partial(write_lossless, Image.fromarray(image))


def load_pixels() -> tuple[UInt8Array, Int64Array]:
    """Return the images, uint8 [1797, 8, 8] with black at 0, and the digits that they show."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return np.rint(data.images * (255 / 16)).astype(np.uint8), data.target
