"""Coloured digits with captions: scikit-learn's digits in six colours, each with a sentence that describes it.

The truth is known: what a caption says is in the image. A fifth of the pairs of a digit and a colour occur in the test
split only, so whether a model combines words that it never saw together can be measured.
"""

import functools
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from pipeline.arrays import UInt8Array
from pipeline.media.image.digits import load_pixels
from pipeline.media.image.pillow_arrays import write_lossless

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

COLOURS = {
    "red": (255, 38, 38),
    "green": (38, 230, 51),
    "blue": (64, 89, 255),
    "yellow": (255, 242, 51),
    "pink": (255, 115, 204),
    "white": (255, 255, 255),
}
"""The colour of full ink; the background is black."""

SENTENCES = (
    "a {colour} {number}",
    "the number {number} in {colour}",
    "{colour} digit {number}",
    "{number} written in {colour}",
    "a handwritten {number}, {colour}",
)

UNSEEN = frozenset((digit, (digit + 5 * more) % len(COLOURS)) for digit in range(10) for more in range(1 + digit // 8))
"""The pairs of a digit and the position of a colour that no training item shows: 12 of 60."""

TEST_EVERY = 5
COLOURS_EACH = 3
"""Each fifth digit is in the test split. Each digit occurs in three colours."""


class CaptionedDigits:
    """Images rgb 8 x 8 in train/ and test/; the class is the digit, and the caption names digit and colour."""

    name = "captioned-digits"

    def files(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield PPM files `SPLIT/DIGIT/NUMBER-COLOUR.ppm`."""
        pixels, digits = load_pixels()
        names = list(COLOURS)
        for number, (image, digit) in enumerate(zip(pixels, digits.tolist(), strict=True)):
            split = "train" if number % TEST_EVERY else "test"
            order = np.random.default_rng(number).permutation(len(names))
            seen = [colour for colour in order.tolist() if split == "test" or (digit, colour) not in UNSEEN]
            for colour in seen[:COLOURS_EACH]:
                yield (
                    f"{split}/{digit}/{number:04d}-{names[colour]}.ppm",
                    functools.partial(paint, image, names[colour]),
                )

    def caption(self, path: str) -> str:
        """Return one of five sentences."""
        _, digit, name = path.split("/")
        number, _, colour = name.removesuffix(".ppm").partition("-")
        sentence = SENTENCES[(int(number) // TEST_EVERY + list(COLOURS).index(colour)) % len(SENTENCES)]
        return sentence.format(number=NUMBERS[int(digit)], colour=colour)


def paint(image: UInt8Array, colour: str) -> bytes:
    """Return a gray image in one colour, as a file."""
    values = np.rint(image[..., None] / 255 * np.array(COLOURS[colour])).astype(np.uint8)
    return write_lossless(Image.fromarray(values))
