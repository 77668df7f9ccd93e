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

BOX = 44, 56
"""Columns and rows of a digit in the drawing. The widest and most slanted digit fits: 44 + 0.35 * 56 < 64."""

EDGE = 0.08
"""Ink over which an edge of the drawing rises from paper to full ink."""

INK = {"thin": (0.48, 0.54), "thick": (0.1, 0.18), "italic": (0.32, 0.4), "inverted": (0.22, 0.44)}
"""The least ink of the original that counts as drawn, by style: more of it makes thinner strokes."""

SLANT = (0.25, 0.35)
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
    ink = np.clip((shear(place(image), slant) / 255 - least) / EDGE + 0.5, 0, 1)
    values = np.rint(255 * (1 - ink if style == "inverted" else ink)).astype(np.uint8)
    return np.asarray(Image.fromarray(values).resize((SIDE, SIDE), Image.Resampling.BOX))


def place(image: UInt8Array) -> UInt8Array:
    """Return the drawing, uint8 [64, 64], with a digit, uint8 [8, 8], enlarged in its middle."""
    drawing = Image.new("L", (DRAWN, DRAWN))
    corner = (DRAWN - BOX[0]) // 2, (DRAWN - BOX[1]) // 2
    drawing.paste(Image.fromarray(image).resize(BOX, Image.Resampling.BICUBIC), corner)
    return np.asarray(drawing)


def shear(drawing: UInt8Array, slant: float) -> UInt8Array:
    """Move each row of a drawing by `slant` columns per row, upper rows to the right; the middle stays."""
    # x of the source is x + slant y - slant DRAWN / 2.
    coefficients = (1, slant, -slant * DRAWN / 2, 0, 1, 0)
    image = Image.fromarray(drawing)
    return np.asarray(image.transform(image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR))
