"""Digits drawn in four styles: scikit-learn's digits, thin, thick, italic and inverted.

The truth is known: each image shows a digit in a style. So it can be measured whether a translation between the styles
has the style that was asked for, and keeps the digit.
"""

import functools
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from pipeline.arrays import UInt8Array
from pipeline.media.image.digits import load_pixels
from pipeline.media.image.pillow_arrays import write_lossless

SIDE = 16
DRAWN = 64
"""Side of the drawing, which is then reduced to `SIDE`."""

MARGIN = 4
"""Empty pixels around the digit in the drawing, which the slant needs."""

EDGE = 0.08
"""Ink over which an edge of the drawing rises from paper to full ink."""

INK = {"thin": (0.55, 0.62), "thick": (0.1, 0.18), "italic": (0.32, 0.4), "inverted": (0.32, 0.4)}
"""The least ink of the original that counts as drawn, by style: more of it makes thinner strokes."""

SLANT = (0.35, 0.5)
"""Columns that a line of an italic digit moves per row."""

TEST_EVERY = 5
"""Each fifth digit is in the test split, in all styles."""


class StyledDigits:
    """Gray images 16 x 16 in train/ and test/; the class is the style, and the name of a file begins with its digit."""

    name = "styled-digits"

    def files(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield PGM files `SPLIT/STYLE/DIGIT-NUMBER.pgm`: each digit in each style."""
        for number, (image, digit) in enumerate(zip(*load_pixels(), strict=True)):
            split = "train" if number % TEST_EVERY else "test"
            for style in INK:
                load = functools.partial(load_drawing, image, style, number)
                yield f"{split}/{style}/{digit}-{number:04d}.pgm", load


def load_drawing(image: UInt8Array, style: str, number: int) -> bytes:
    """Return a digit in one style, as a file."""
    return write_lossless(Image.fromarray(draw(image, style, number)))


def draw(image: UInt8Array, style: str, number: int) -> UInt8Array:
    """Draw a digit, uint8 [8, 8], in one style, uint8 [16, 16]; the number of the image decides how strong it is."""
    rng = np.random.default_rng([number, list(INK).index(style)])
    least, slant = rng.uniform(*INK[style]), rng.uniform(*SLANT) if style == "italic" else 0.0
    inside = DRAWN - 2 * MARGIN
    drawing = Image.new("L", (DRAWN, DRAWN))
    drawing.paste(Image.fromarray(image).resize((inside, inside), Image.Resampling.BICUBIC), (MARGIN, MARGIN))
    # The middle row stays where it is; x of the source is x + slant y - slant DRAWN / 2.
    sheared = drawing.transform(
        drawing.size, Image.Transform.AFFINE, (1, slant, -slant * DRAWN / 2, 0, 1, 0), Image.Resampling.BILINEAR
    )
    ink = np.clip((np.asarray(sheared) / 255 - least) / EDGE + 0.5, 0, 1)
    values = np.rint(255 * (1 - ink if style == "inverted" else ink)).astype(np.uint8)
    return np.asarray(Image.fromarray(values).resize((SIDE, SIDE), Image.Resampling.BOX))
