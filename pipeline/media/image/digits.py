"""scikit-learn's handwritten digits: 1,797 images of 8 x 8 pixels that need no download.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998).
"""

import functools
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from pipeline.media.image.pillow_arrays import write_lossless


class Digits:
    """Gray levels 0..16, scaled to 0..255; the class is the digit, "0" to "9"."""

    name = "digits"

    def files(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield one PGM file a digit."""
        from sklearn.datasets import load_digits

        data = load_digits()
        pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)
        for number, (image, digit) in enumerate(zip(pixels, data.target, strict=True)):
            yield f"{digit}/{number:04d}.pgm", functools.partial(write_lossless, Image.fromarray(image))
