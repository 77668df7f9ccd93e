"""The banks for the gate of `generate`: fresh real items take the place of a generator's samples."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic

import numpy as np
import torch

from benchmarks.gate.bank import Bank, Draw, Sample
from benchmarks.gate.data import Data, Items
from benchmarks.gate.failure import Failure, Int64, R, UInt8
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.media.registry import MEDIA
from pipeline.serving.runtime.generator import Generator
from pipeline.tasks.generate.evaluator import Evaluation, Evaluator
from pipeline.tasks.registry import TASKS

SLOW = (
    "cas",
    "kid",
    "fid_infinity",
    "class_vendi_ratio_mean",
    "class_vendi_ratio_worst",
    "class_vendi_ratio_worst_class",
)
"""Measures that neither a test nor a symptom reads; they take half of the time."""

SEEDS = 10
"""Sets of samples that are drawn from each exported generator."""


def add_generator_options(parser: ArgumentParser) -> None:
    """Add the options of all banks for `generate`."""
    parser.add_argument("--features", default="auto", help="the setting evaluate.features")
    parser.add_argument(
        "--generator", type=Path, action="append", default=[], help="folder with an exported generator; repeatable"
    )


class EvaluatedDraw(Draw[R]):
    """A draw that the gate of `generate` judges."""

    def __init__(self, evaluator: Evaluator, real: R, fresh: Items) -> None:
        self.evaluator, self.real, self.intact = evaluator, real, fresh.array
        self.labels = fresh.labels if evaluator.classes else None

    def judge(self, items: UInt8, asked: Int64 | None = None, failure: Failure[R] | None = None) -> Evaluation:
        """Evaluate samples."""
        return self.evaluator.evaluate(items, labels=asked, leave_out=SLOW)


class GeneratedBank(Bank[R], Generic[R]):
    """Failures of a generator.

    Args:
        data: Real items.
        failures: How they are broken.
        make_real: (data, positions of fresh items) -> what a failure breaks.
        options: `samples`, `cache`, `features` and `generator`.
        name: Name of the page; default: the name of the data.
    """

    def __init__(
        self,
        data: Data,
        failures: Sequence[Failure[R]],
        make_real: Callable[[Data, Int64], R],
        options: Namespace,
        *,
        name: str = "",
    ) -> None:
        self.data, self.failures, self.make_real, self.options = data, failures, make_real, options
        self.name, self.labelled = name or data.name, bool(data.item.classes)
        gate = TASKS["generate"].gate(MEDIA[data.item.medium])
        self.settings = EvaluateSettings(samples=max(options.samples, 50), features=options.features, gate=gate())

    def draw(self, seed: int) -> EvaluatedDraw[R]:
        """Choose reference and fresh items; classifier and features come from the cache."""
        data = self.data
        reference, fresh = data.split(seed, self.options.samples)
        evaluator = Evaluator(
            data.train, reference, data.item, self.settings, torch.device("cpu"), cache=self.options.cache
        )
        return EvaluatedDraw(evaluator, self.make_real(data, fresh), data.rest.take(fresh, "fresh"))

    def describe(self, draw: Draw[R]) -> str:
        """Return the numbers of items and the features."""
        assert isinstance(draw, EvaluatedDraw)
        reference, data = len(draw.evaluator.test), self.data
        return (
            f"{len(draw.intact):,} fresh items of {data.name} compared with {reference:,}; {len(data.train):,} "
            f"training items {'with' if self.labelled else 'without'} labels; "
            f"features: {draw.evaluator.extractor.spec.name}."
        )

    def samples(self) -> Iterator[Sample]:
        """Yield sets of samples of the exported generators in the folders of `--generator`."""
        for folder in self.options.generator:
            generator = Generator(find_generator(folder))
            for seed in range(SEEDS):
                labels = None
                if generator.classes:
                    labels = np.random.default_rng(seed).integers(0, len(generator.classes), self.options.samples)
                values = {} if labels is None else {"label": labels}
                items = generator.sample(self.options.samples, seed, **values)
                yield Sample(folder.name, seed, items, labels if self.labelled else None)


def find_generator(folder: Path) -> Path:
    """Return the exported generator in the folder of a project, in a folder of models, or at the path itself."""
    found = (folder / "exported/generator.onnx", folder / "generator.onnx", folder)
    return next(path for path in found if path.is_file())
