"""The built-in captioned digits: what a caption says is in the image."""

from collections import Counter

import numpy as np

from pipeline.media.image.captioned_digits import COLOURS, NUMBERS, UNSEEN, CaptionedDigits
from pipeline.media.image.medium import ImageMedium


def test_twelve_pairs_are_only_in_the_test_split() -> None:
    names = list(COLOURS)
    pairs: dict[str, Counter[tuple[int, int]]] = {"train": Counter(), "test": Counter()}
    for path, _ in CaptionedDigits().files():
        split, digit, name = path.split("/")
        pairs[split][int(digit), names.index(name[5:-4])] += 1
    assert len(UNSEEN) == 12
    assert set(pairs["train"]) == {(digit, colour) for digit in range(10) for colour in range(6)} - UNSEEN
    assert set(pairs["test"]) >= UNSEEN
    assert pairs["train"].total() == 4311
    assert pairs["test"].total() == 1080


def test_captions_name_the_digit_and_the_colour_of_the_pixels() -> None:
    source, medium = CaptionedDigits(), ImageMedium()
    settings = medium.Settings.model_validate({"source": "captioned-digits", "channels": "rgb"})
    sentences = set()
    for path, load in list(source.files())[::97]:
        _, digit, name = path.split("/")
        caption = source.caption(path)
        sentences.add(caption.replace(NUMBERS[int(digit)], "N").replace(name[5:-4], "C"))
        assert NUMBERS[int(digit)] in caption.split(",")[0].split()
        (item,) = medium.decode(load(), settings)
        brightest = item.values.reshape(-1, 3)[item.values.sum(axis=2).argmax()]
        distances = [np.abs(brightest - np.array(colour)).sum() for colour in COLOURS.values()]
        assert list(COLOURS)[int(np.argmin(distances))] == name[5:-4]
    assert len(sentences) == 5
