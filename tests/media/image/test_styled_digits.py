"""The built-in digits in four styles: the style of an image is in its pixels."""

from collections import Counter, defaultdict

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.media.image.digits import load_pixels
from pipeline.media.image.medium import ImageMedium
from pipeline.media.image.styled_digits import BOX, INK, SLANT, StyledDigits, draw, place, shear


def test_each_digit_occurs_in_each_style_on_one_side_of_the_split() -> None:
    sides: dict[str, set[tuple[str, str]]] = defaultdict(set)
    count: Counter[tuple[str, str]] = Counter()
    for path, _ in StyledDigits().files():
        split, style, name = path.split("/")
        sides[name].add((split, style))
        count[split, style] += 1
    assert len(sides) == 1797
    assert all(len(places) == 4 and len({split for split, _ in places}) == 1 for places in sides.values())
    assert count == {(split, style): n for split, n in (("train", 1437), ("test", 360)) for style in INK}


def test_styles_have_their_strokes_slant_and_paper() -> None:
    source, medium = StyledDigits(), ImageMedium()
    settings = medium.Settings.model_validate({"source": "styled-digits", "resolution": 16})
    images: dict[str, dict[str, npt.NDArray[np.float64]]] = defaultdict(dict)
    for path, load in list(source.files())[:400]:
        _, style, name = path.split("/")
        (item,) = medium.decode(load(), settings)
        assert item.values.shape == (16, 16, 1)
        images[name][style] = item.values[..., 0] / 255
    for drawn in images.values():
        ink = {style: (1 - image if style == "inverted" else image).sum() for style, image in drawn.items()}
        assert ink["thin"] < ink["inverted"] < ink["thick"]
        assert drawn["inverted"][0].mean() > 0.5 > drawn["thin"][0].mean(), "black on white; white on black"
    upright, italic = (
        np.mean([lean(1 - drawn["inverted"]) for drawn in images.values()]),
        np.mean([lean(drawn["italic"]) for drawn in images.values()]),
    )
    assert italic - upright > SLANT[0], "the upper part of an italic digit stands further to the right"


def lean(image: npt.NDArray[np.float64]) -> float:
    """Return the columns to the right per row upwards, by least squares over the ink."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image / image.sum()
    up = -(rows - (weight * rows).sum())
    return float((weight * up * columns).sum() / (weight * up**2).sum())


@pytest.mark.parametrize("slant", SLANT)
def test_the_slant_moves_every_row_and_cuts_none(slant: float) -> None:
    drawing = place(np.full((8, 8), 255, dtype=np.uint8))
    slanted = shear(drawing, slant) / 255
    rows, columns = np.mgrid[:64, :64] + 0.5
    inked = drawing.any(axis=1)
    assert inked.sum() == BOX[1]
    # Each row keeps its ink, and moves by slant times its height over the middle.
    assert slanted.sum(axis=1)[inked] == pytest.approx(BOX[0], abs=0.05)
    centres = (slanted * columns).sum(axis=1)[inked] / slanted.sum(axis=1)[inked]
    assert centres == pytest.approx(32 + slant * (32 - rows[inked, 0]), abs=0.05)


def test_no_style_has_strokes_along_the_border() -> None:
    pixels, _ = load_pixels()
    for style in INK:
        images = np.stack([draw(image, style, number) for number, image in enumerate(pixels[:600])])
        ink = images if style != "inverted" else 255 - images
        border = np.concatenate([ink[:, 0], ink[:, -1], ink[:, :, 0], ink[:, :, -1]], axis=1)
        assert (border.max(axis=1) > 0).mean() <= 0.02, style


def test_a_file_is_the_same_every_time() -> None:
    first, second = ([load() for _, load in list(StyledDigits().files())[:8]] for _ in range(2))
    assert first == second
    assert len(set(first)) == 8
