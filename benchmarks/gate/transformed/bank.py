"""The banks of translation and restoration: real targets take the place of a model's results.

Unchanged, they must raise no alarm. A result of a good restoration is the original with a part of the noise of its
input.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gate.bank import Bank, Draw
from benchmarks.gate.failure import Failure, Int64, UInt8, clip
from benchmarks.gate.transformed.data import Data, Split, load_photographs, load_source
from benchmarks.gate.transformed.failures import FAILURES, Results, TransformedFailure
from benchmarks.gate.transformed.judges import add_noise, judge_restorations, judge_translations
from pipeline.evaluation.verdict import Verdict

EXAMPLES = """
    python -m benchmarks.gate translate                         pieces of two photographs, unpaired
    python -m benchmarks.gate translate --paired                gray pieces and the same in colour
    python -m benchmarks.gate translate --source noto-emoji.zip --pairs outline --resolution 64
    python -m benchmarks.gate translate --source cifar10.zip --classes horse,deer
    python -m benchmarks.gate restore                           noise removed from such pieces
"""

DARKEST = 40
"""Gray level of black in originals, and of white below 255, so that noise is hardly clipped."""

LEFT = 0.04
"""Part of the noise that a good restoration leaves."""

JUDGES: dict[str, Callable[..., Verdict]] = {"translate": judge_translations, "restore": judge_restorations}


@dataclass(frozen=True)
class Judgement:
    """What the gate of a task says of a set of results."""

    verdict: Verdict
    metrics: Mapping[str, Any] = field(default_factory=dict)


class TransformedDraw(Draw[Results]):
    """Inputs, results and targets of one seed."""

    def __init__(self, split: Split, task: str) -> None:
        self.split, self.task = split, task
        self.real, self.intact = split.results, split.results.good

    def judge(self, items: UInt8, asked: Int64 | None = None, failure: Failure[Results] | None = None) -> Judgement:
        """Apply the gate of the task to results."""
        unrelated = isinstance(failure, TransformedFailure) and failure.unrelated
        return Judgement(JUDGES[self.task](self.split, items, unrelated=unrelated))


class TransformedBank(Bank[Results]):
    """Failures of a model that changes given images."""

    labelled = False

    def __init__(self, task: str, data: Data, samples: int) -> None:
        self.task, self.data, self.sample_count = task, data, samples
        self.name, self.failures = f"{task}-{data.name}", FAILURES[task]

    def draw(self, seed: int) -> TransformedDraw:
        """Draw real images; for a restoration, noisy inputs and results that leave a part of the noise."""
        split = self.data.split(seed, self.sample_count)
        if self.task == "restore":
            originals = clip(DARKEST + split.results.good * ((255 - 2 * DARKEST) / 255))
            noisy = add_noise(originals, seed)
            good = clip(originals + LEFT * (noisy.astype(np.float32) - originals))
            results = replace(split.results, inputs=noisy, good=good)
            split = replace(split, results=results, target=originals, paired=True)
        return TransformedDraw(split, self.task)

    def describe(self, draw: Draw[Results]) -> str:
        """Return the task, the data and the number of results."""
        side = self.data.target.shape[1]
        return f"{self.task}, {self.data.name}, {side} pixels: {len(draw.intact)} results in a set."


def add_options(parser: ArgumentParser) -> None:
    """Add the options of these banks."""
    parser.set_defaults(samples=500)
    parser.add_argument("--source", type=Path, help="source of images; default: scikit-learn's photographs")
    parser.add_argument("--pairs", default="", help="data.pairs of the source")
    parser.add_argument("--classes", default="", help="two classes of the source, separated by a comma")
    parser.add_argument("--paired", action="store_true", help="pair the built-in photographs")
    parser.add_argument("--resolution", type=int, default=32, help="side of the images")


def open_bank(options: Namespace, task: str) -> TransformedBank:
    """Load the images."""
    if options.source:
        data = load_source(
            options.source, options.resolution, options.cache, pairs=options.pairs, classes=options.classes
        )
    else:
        data = load_photographs(options.resolution, options.paired or task == "restore")
    return TransformedBank(task, data, options.samples)


open_translate = partial(open_bank, task="translate")
open_restore = partial(open_bank, task="restore")
