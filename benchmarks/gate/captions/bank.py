"""The bank of captions: the built-in coloured digits, each with a sentence that says digit and colour."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from benchmarks.gate.bank import Sample
from benchmarks.gate.captions.failures import FAILURES, Digits
from benchmarks.gate.data import Data, Items, ingest
from benchmarks.gate.failure import Failure, Int64, UInt8
from benchmarks.gate.generated import SLOW, EvaluatedDraw, GeneratedBank
from pipeline.data.store import ItemSet
from pipeline.media.image.captioned_digits import COLOURS, UNSEEN
from pipeline.tasks.generate.evaluator import Evaluation, Evaluator, evaluate
from pipeline.tasks.generate.sample_set import SampleSet

EXAMPLES = """
    python -m benchmarks.gate captions                             coloured digits, some minutes on two cores
    python -m benchmarks.gate captions --only colours --draws 0    failures whose name contains a word
    python -m benchmarks.gate captions --weakest                   only the strengths that decide
"""

PARAMS = """
data: {source: captioned-digits, channels: rgb, background: "#000000"}
validate: {min_side: {limit: 8, severity: warning}}
model: {variant: dfgan}
"""

LEFT_OUT = 360
"""Handwritten digits of the training split of which a half of the items is left out; the test split has as many."""


class CaptionedItems(Items):
    """Items with captions and file names."""

    def __init__(self, items: Items, captions: tuple[str, ...], names: tuple[str, ...]) -> None:
        super().__init__(items.array, items.labels, items.fingerprint, items.item)
        self.captions, self.names = captions, names

    @classmethod
    def of(cls, split: ItemSet) -> "CaptionedItems":
        """Read a split of a dataset into memory."""
        return cls(Items.read(split), tuple(split.captions), tuple(split.names))

    def take(self, positions: Int64, name: str) -> "CaptionedItems":
        """Return the items at these positions as a split with a fingerprint of its own."""
        captions, names = (tuple(texts[k] for k in positions.tolist()) for texts in (self.captions, self.names))
        return CaptionedItems(super().take(positions, name), captions, names)


class CaptionedDraw(EvaluatedDraw[Digits]):
    """A draw whose items stand for samples that were drawn for their captions."""

    def judge(self, items: UInt8, asked: Int64 | None = None, failure: Failure[Digits] | None = None) -> Evaluation:
        """Evaluate samples; their captions and classes are always asked for."""
        samples = SampleSet(self.evaluator, items, labels=self.real.labels, captions=list(self.real.captions))
        return evaluate(samples, leave_out=SLOW)


class CaptionedBank(GeneratedBank[Digits]):
    """Failures of a text-to-image model."""

    @cached_property
    def left_out(self) -> Int64:
        """Training items that neither classifier nor matcher sees, the same in every draw: one of each serves all.

        A digit occurs in three colours. Fresh items are a half of those of the test split, so these are chosen alike.
        """
        assert isinstance(self.data.train, CaptionedItems)
        rng, (shapes, _) = np.random.default_rng(0), painted(self.data.train)
        positions = np.flatnonzero(np.isin(shapes, rng.permutation(np.unique(shapes))[:LEFT_OUT]))
        return np.sort(rng.permutation(positions)[: len(positions) // 2])

    def draw(self, seed: int) -> CaptionedDraw:
        """Choose reference and fresh items."""
        data = self.data
        reference, fresh = data.split(seed, self.options.samples)
        evaluator = Evaluator(
            data.train, reference, data.item, self.settings, torch.device("cpu"), cache=self.options.cache
        )
        vars(evaluator)["calibration_positions"] = self.left_out
        return CaptionedDraw(evaluator, self.make_real(data, fresh), data.rest.take(fresh, "fresh"))

    def samples(self) -> Iterator[Sample]:
        """Yield nothing: an exported generator is judged by `ganline evaluate`."""
        yield from ()


def painted(items: CaptionedItems) -> tuple[Int64, Int64]:
    """Return the handwritten digit that each item paints, a number of the source, and the number of its colour."""
    shapes, words = zip(*(Path(name).stem.split("-") for name in items.names), strict=True)
    return np.array(shapes, dtype=np.int64), np.array([list(COLOURS).index(word) for word in words])


def make_real(data: Data, fresh: Int64) -> Digits:
    """Return fresh items with what their files say of them."""
    items = data.rest.take(fresh, "fresh")
    assert isinstance(items, CaptionedItems)
    assert isinstance(data.train, CaptionedItems)
    shapes, colours = painted(items)
    pairs = zip(items.labels.tolist(), colours.tolist(), strict=True)
    return Digits(
        images=items.array,
        labels=items.labels,
        train=data.train.array,
        foreign=items.array[:0],
        captions=items.captions,
        shapes=shapes,
        colours=colours,
        palette=np.array(list(COLOURS.values()), dtype=np.uint8),
        unseen=np.array([pair in UNSEEN for pair in pairs]),
        train_captions=data.train.captions,
    )


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this bank."""
    parser.add_argument("--features", default="auto", help="the setting evaluate.features")


def open_bank(options: Namespace) -> CaptionedBank:
    """Load the coloured digits."""
    train, rest = map(CaptionedItems.of, ingest(options.cache / "captions", PARAMS))
    data = Data("captioned-digits", train, rest, train.item)
    return CaptionedBank(data, FAILURES, make_real, options, name="captions-digits")
