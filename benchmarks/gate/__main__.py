"""Check that the gate detects, names and stops every failure of a generator, and nothing else.

    python -m benchmarks.gate                                    embedded digits, some minutes on two cores
    python -m benchmarks.gate --no-labels                        the same without their labels
    python -m benchmarks.gate --source fashion-mnist.zip         any labelled source with a test split
    python -m benchmarks.gate --only copies --draws 0            failures whose name contains a word; repeatable
    python -m benchmarks.gate --weakest                          only the strengths that decide
    python -m benchmarks.gate --source cifar10.zip --limit 300   with 300 images of each class
    python -m benchmarks.gate --train 360 --reference 90         as with a small dataset
    python -m benchmarks.gate --generator FOLDER                 also samples of an exported generator

Held-out real images replace the samples of a generator. Uncorrupted, they must raise no alarm. Corrupted in controlled
ways at increasing strength, they must be rejected under the right name. The exit code is 1 if a target is missed.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.gate.data import Data, Images, ingest_source, load_digits
from benchmarks.gate.failure import Failure, Real
from benchmarks.gate.failures import FAILURES
from benchmarks.gate.results import Outcome, Results, list_failures
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.media.registry import MEDIA
from pipeline.serving.runtime.generator import Generator
from pipeline.tasks.generate.evaluator import Evaluator
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


class EvaluatorFactory:
    """Builds evaluators on one dataset with a common cache."""

    def __init__(self, data: Data, options: argparse.Namespace) -> None:
        gate = TASKS["generate"].gate(MEDIA[data.item.medium])
        self.data, self.cache = data, options.cache
        self.settings = EvaluateSettings(samples=max(options.samples, 50), features=options.features, gate=gate())

    def build(self, test: Images) -> Evaluator:
        """Build an evaluator with `test` as its reference."""
        return Evaluator(self.data.train, test, self.data.item, self.settings, torch.device("cpu"), cache=self.cache)


def evaluate_failure(
    evaluator: Evaluator, fresh: Real, failure: Failure, labelled: bool, strengths: Sequence[float]
) -> list[Outcome]:
    """Evaluate a failure at these strengths."""
    outcomes = []
    for strength in strengths:
        images = failure.apply(fresh, strength, np.random.default_rng(1))
        asked = failure.ask(fresh, strength, np.random.default_rng(1)) if failure.ask else None
        outcome = Outcome(
            failure,
            strength,
            failure.expectation(strength, labelled),
            strength == failure.weakest(labelled),
            evaluator.evaluate(images, labels=asked, leave_out=SLOW),
        )
        print(f"{failure.key} | {outcome.cell}", flush=True)
        outcomes.append(outcome)
    return outcomes


def collect_false_alarms(factory: EvaluatorFactory, draws: int, samples: int) -> list[list[str]]:
    """Return the failures that the gate names for real images in each of several splits; it should name none."""
    alarms = []
    for seed in range(1, draws + 1):
        test, fresh = factory.data.split(seed, samples)
        alarms.append(list_failures(factory.build(test).evaluate(fresh.images, leave_out=SLOW)))
        sys.stderr.write(f"\rreal images {seed}/{draws}: {sum(map(bool, alarms))} false alarms ")
    sys.stderr.write("\n")
    return alarms


def evaluate_generator(evaluator: Evaluator, folder: Path, samples: int) -> list[list[str]]:
    """Return the failures that the gate names for samples of the exported generator in `folder`, by seed."""
    found = next(
        path for path in (folder / "exported/generator.onnx", folder / "generator.onnx", folder) if path.is_file()
    )
    generator = Generator(found)
    named = []
    for seed in range(SEEDS):
        labels = None
        if generator.classes:
            labels = np.random.default_rng(seed).integers(0, len(generator.classes), samples)
        images = generator.sample(samples, seed, **({} if labels is None else {"label": labels}))
        evaluation = evaluator.evaluate(images, labels=labels if evaluator.classes else None, leave_out=SLOW)
        print(f"{folder} | seed {seed}: {'; '.join(evaluation.verdict.reasons) or 'pass'}", flush=True)
        named.append(list_failures(evaluation))
    return named


def matches(key: str, parts: Sequence[str]) -> bool:
    """Return whether the name of a failure contains one of these texts; without texts every name does."""
    return not parts or any(part in key for part in parts)


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, help="labelled folder or archive; default: the embedded digits")
    parser.add_argument("--resolution", type=int, default=32, help="side of the images of --source")
    parser.add_argument("--limit", type=int, help="images of --source per class in either split, at most; default: all")
    parser.add_argument(
        "--labels", action=argparse.BooleanOptionalAction, default=True, help="whether the gate sees the labels"
    )
    parser.add_argument("--features", default="auto", help="the setting evaluate.features")
    parser.add_argument("--samples", type=int, default=2500, help="images per evaluation, at most")
    parser.add_argument("--train", type=int, help="training images, at most; default: all")
    parser.add_argument(
        "--reference", type=int, help="images in the reference, at most; default: half of those held out"
    )
    parser.add_argument(
        "--only", action="append", default=[], help="run only the failures whose name contains this text; repeatable"
    )
    parser.add_argument(
        "--weakest", action="store_true", help="of each failure only the strengths that decide: see Failure.decisive"
    )
    parser.add_argument("--draws", type=int, default=40, help="splits in which real images must raise no alarm")
    parser.add_argument(
        "--generator", type=Path, action="append", default=[], help="folder with an exported generator; repeatable"
    )
    parser.add_argument(
        "--cache", type=Path, default=Path(".ganline/benchmarks"), help="cache of datasets, classifiers and features"
    )
    parser.add_argument("--out", type=Path, help="folder for the tables; without it the result is only printed")
    return parser.parse_args()


def main() -> int:
    """Run the benchmark; return 1 if a target is missed."""
    options = parse_arguments()
    began = time.monotonic()
    data = load_digits()
    if options.source:
        data = ingest_source(options.source, options.resolution, options.cache, options.limit)
    data = data.restrict(options.labels, options.train, options.reference)
    factory = EvaluatorFactory(data, options)
    test, fresh = data.split(0, options.samples)
    evaluator = factory.build(test)
    chosen = [one for one in FAILURES if one.applies(fresh, options.labels) and matches(one.key, options.only)]
    outcomes = []
    for failure in chosen:
        strengths = failure.decisive(options.labels) if options.weakest else failure.strengths
        outcomes += evaluate_failure(evaluator, fresh, failure, options.labels, strengths)
    generators = {folder.name: evaluate_generator(evaluator, folder, options.samples) for folder in options.generator}
    results = Results(outcomes, collect_false_alarms(factory, options.draws, options.samples), generators)
    head = (
        f"{len(fresh.images):,} fresh images compared with {len(test):,}; {len(data.train):,} training images "
        f"{'with' if options.labels else 'without'} labels; features: {evaluator.extractor.spec.name}. "
        f"{len(chosen)} failures in {len(outcomes)} sets; {time.monotonic() - began:.0f} s."
    )
    text = "\n".join([head, "", *results.summary(), ""])
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"{data.name}{'' if options.labels else '-unlabelled'}.md"
        path.write_text(format_page(text, results), encoding="utf-8")
    print(text)
    return 0 if results.complete else 1


def format_page(head: str, results: Results) -> str:
    """Return the page with all tables."""
    parts = {"Verdicts": results.matrix(), "Failed tests": results.failed_tests(), "Numbers": results.numbers()}
    sections = [f"# {title}\n\n" + "\n".join(lines) for title, lines in parts.items()]
    return "\n".join([head, *("\n" + section for section in sections), ""])


if __name__ == "__main__":
    sys.exit(main())
