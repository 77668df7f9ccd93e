"""Failures of a text-to-image model, imitated by real coloured digits that are broken on purpose.

The captions stay as they are; other items take the place of those that they describe.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.gate.common_failures import REPEATED, copy_training, repeat_few
from benchmarks.gate.failure import Failure, Int64, Real, UInt8, clip, replace

Bool = npt.NDArray[np.bool_]

TRIES = 50
"""Proposals for an item, until one is taken that occurs already."""

FORMS = ("a handwritten", "written in", "the number", "digit")
"""What marks four of the five forms of a sentence."""


@dataclass(frozen=True)
class Digits(Real):
    """Real coloured digits; `labels` are the digits.

    Attributes:
        captions: Their captions.
        shapes: The handwritten digit that an item paints, a number of the source, [n].
        colours: Their colours, numbers from 0, [n].
        palette: The colour of full ink, [colours, 3] in 0 .. 255.
        unseen: Whether no training item shows this digit in this colour, [n].
        train_captions: Captions of the training items.
    """

    captions: tuple[str, ...]
    shapes: Int64
    colours: Int64
    palette: UInt8
    unseen: Bool
    train_captions: tuple[str, ...]

    @property
    def ink(self) -> npt.NDArray[np.float64]:
        """The items without colour, [n, H, W, 1] in 0 .. 1: the strongest channel over that of the full ink."""
        full = self.palette[self.colours].max(axis=1)[:, None, None]
        strongest: npt.NDArray[np.float64] = self.images.max(axis=3) / full
        return strongest[..., None]

    def groups(self) -> list[Int64]:
        """Return the positions of each caption."""
        texts = np.array(self.captions)
        return [np.flatnonzero(texts == text) for text in dict.fromkeys(self.captions)]

    def some(self, share: float, rng: np.random.Generator) -> Int64:
        """Return the positions of all items of a share of the shapes."""
        names = np.unique(self.shapes)
        return np.flatnonzero(np.isin(self.shapes, rng.permutation(names)[: round(share * len(names))]))


def paint(ink: npt.NDArray[np.float64], colours: npt.NDArray[np.floating] | UInt8) -> UInt8:
    """Return items [n, H, W, 3] of ink [n, H, W, 1] in colours [n, 3]."""
    return clip(ink * np.asarray(colours, dtype=np.float64)[:, None, None])


Proposal = Callable[[int], tuple[int, int]]
"""Position of an item -> position of the item whose shape it takes, and the colour that it takes."""


def repaint(real: Digits, chosen: Int64, propose: Proposal) -> UInt8:
    """Give some items another shape or colour. No item occurs twice: a model rarely repeats itself to the bit."""
    shapes, colours = np.arange(len(real.images)), real.colours.copy()
    rest = np.delete(shapes, chosen)
    used = set(zip(real.shapes[rest].tolist(), colours[rest].tolist(), strict=True))
    for position in chosen.tolist():
        for _ in range(TRIES):
            shape, colour = propose(position)
            if (pair := (int(real.shapes[shape]), colour)) not in used:
                break
        used.add(pair)
        shapes[position], colours[position] = shape, colour
    images = real.images.copy()
    images[chosen] = paint(real.ink[shapes[chosen]], real.palette[colours[chosen]])
    return images


def exchange_captions(real: Digits, share: float, rng: np.random.Generator) -> UInt8:
    """Show what the caption of another item says."""
    chosen, images = real.some(share, rng), real.images.copy()
    images[chosen] = real.images[rng.permutation(chosen)]
    return images


def ignore_colour(real: Digits, share: float, rng: np.random.Generator) -> UInt8:
    """Show the right digit in any colour."""
    return repaint(real, real.some(share, rng), lambda k: (k, int(rng.integers(len(real.palette)))))


def ignore_digit(real: Digits, share: float, rng: np.random.Generator) -> UInt8:
    """Show any digit in the right colour."""
    return repaint(real, real.some(share, rng), lambda k: (int(rng.integers(len(real.images))), int(real.colours[k])))


def other_colour(real: Digits, rng: np.random.Generator) -> Proposal:
    """Return the proposal of the same digit in another colour."""
    colours = len(real.palette)
    return lambda k: (k, int(real.colours[k] + rng.integers(1, colours)) % colours)


def next_digit(real: Digits, rng: np.random.Generator) -> Proposal:
    """Return the proposal of the next digit in the same colour."""
    members = [np.flatnonzero(real.labels == digit) for digit in range(10)]
    return lambda k: (int(rng.choice(members[(real.labels[k] + 1) % 10])), int(real.colours[k]))


def confuse_colours(real: Digits, share: float, rng: np.random.Generator) -> UInt8:
    """Show the right digit in another colour."""
    return repaint(real, real.some(share, rng), other_colour(real, rng))


def confuse_digits(real: Digits, share: float, rng: np.random.Generator) -> UInt8:
    """Show the next digit in the right colour."""
    return repaint(real, real.some(share, rng), next_digit(real, rng))


def mix_colours(real: Digits, share: float, rng: np.random.Generator) -> UInt8:
    """Let each colour go to the next one by a share of the way."""
    own, other = real.palette[real.colours], real.palette[(real.colours + 1) % len(real.palette)]
    return paint(real.ink, (1 - share) * own + share * other)


def repeat_within_captions(real: Digits, count: float, rng: np.random.Generator) -> UInt8:
    """Draw only the first few items of each caption."""
    images = real.images.copy()
    for group in real.groups():
        images[group] = real.images[group[np.arange(len(group)) % int(count)]]
    return images


def shrink_within_captions(real: Digits, spread: float, rng: np.random.Generator) -> UInt8:
    """Move the items of a digit and a colour towards their mean: they keep a share of their spread."""
    images = real.images.astype(np.float64)
    for digit in range(10):
        for colour in range(len(real.palette)):
            group = np.flatnonzero((real.labels == digit) & (real.colours == colour))
            if len(group):
                mean = images[group].mean(axis=0)
                images[group] = mean + spread * (images[group] - mean)
    return clip(images)


def miss_unseen_digits(real: Digits, share: float, rng: np.random.Generator) -> UInt8:
    """Show another digit for pairs that no training item shows."""
    return repaint(real, some_of(real.unseen, share, rng), next_digit(real, rng))


def miss_unseen_colours(real: Digits, share: float, rng: np.random.Generator) -> UInt8:
    """Show another colour for pairs that no training item shows."""
    return repaint(real, some_of(real.unseen, share, rng), other_colour(real, rng))


def some_of(marked: Bool, share: float, rng: np.random.Generator) -> Int64:
    """Return a share of the marked positions."""
    positions = np.flatnonzero(marked)
    return rng.permutation(positions)[: round(share * len(positions))]


def lose_forms(real: Digits, count: float, rng: np.random.Generator) -> UInt8:
    """Understand none of the captions of the first `count` forms of a sentence."""
    lost = np.array([any(form in caption for form in FORMS[: int(count)]) for caption in real.captions])
    images = real.images.copy()
    images[lost] = real.images[rng.permutation(np.flatnonzero(lost))]
    return images


def retrieve_training(real: Digits, share: float, rng: np.random.Generator) -> UInt8:
    """Return a training item of the same caption, if there is one."""
    texts, images = np.array(real.train_captions), real.images.copy()
    for group in real.groups():
        known = np.flatnonzero(texts == real.captions[group[0]])
        if len(known):
            images[group] = real.train[rng.choice(known, len(group), replace=len(known) < len(group))]
    return replace(real.images, images, share, rng)


IGNORED = ("text ignored", "wrong classes")
"""What the gate may call items that do not show what their captions say."""

FLAT = ("low diversity within captions", "low diversity within classes", "intra-class collapse")
"""What the gate may call samples of a caption that are too much alike; the digits are classes."""

FAILURES: tuple[Failure[Digits], ...] = (
    Failure("captions exchanged", IGNORED, (0.05, 0.3, 0.6, 1.0), exchange_captions, must=0.6),
    Failure("colours ignored", ("text ignored",), (0.05, 0.3, 0.8, 1.0), ignore_colour, must=0.8, accept=0.05),
    Failure("digits ignored", IGNORED, (0.05, 0.3, 0.6, 1.0), ignore_digit, must=0.6),
    Failure("colours confused", ("text ignored",), (0.05, 0.3, 0.6, 1.0), confuse_colours, must=0.6, accept=0.05),
    Failure("digits confused", IGNORED, (0.05, 0.3, 0.6, 1.0), confuse_digits, must=0.6),
    Failure("colours mixed", ("text ignored",), (0.1, 0.5, 0.8), mix_colours, must=0.8),
    Failure("unseen pairs: wrong digits", IGNORED, (0.3, 0.8, 1.0), miss_unseen_digits, must=0.8),
    Failure("unseen pairs: wrong colours", ("text ignored",), (0.3, 0.8, 1.0), miss_unseen_colours, must=0.8),
    Failure("forms of sentences not understood", IGNORED, (1, 2, 4), lose_forms, must=4),
    Failure("one image a caption", (*FLAT, *REPEATED), (2, 1), repeat_within_captions, must=1),
    # Half way to the mean of a digit and a colour, items also look like two in one.
    Failure(
        "spread within captions",
        (*FLAT, "unreal samples"),
        (0.95, 0.7, 0.5, 0.2),
        shrink_within_captions,
        must=0.7,
        accept=0.95,
    ),
    Failure("training images of the caption", ("memorisation",), (0.1, 0.5, 1.0), retrieve_training, must=0.5),
    Failure("copies of training images", ("memorisation", *IGNORED), (0.1, 0.5, 1.0), copy_training, must=1.0),
    Failure("few images", (*REPEATED, *IGNORED), (50, 10, 1), repeat_few, must=10),
)
