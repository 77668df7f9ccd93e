"""Check that the gate detects, names and stops every failure of a generator, and nothing else.

    python -m benchmarks.gate                                   embedded digits, three minutes on two cores
    python -m benchmarks.gate --source fashion-mnist.zip        any labelled source with a test split
    python -m benchmarks.gate --draws 0                         without the draws of real images

Held-out real images replace the samples of a generator. Uncorrupted, they must raise no alarm. Corrupted in controlled
ways at increasing strength, they must be rejected under the right name. The result is a table of failures and measures
(z-scores against real images) with the verdicts. The exit code is 1 if a target is missed.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.gate.corruptions import CORRUPTIONS, Corruption, Real
from benchmarks.gate.data import Data, Images, ingest_source, load_digits
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.media.registry import MEDIA
from pipeline.tasks.generate.evaluator import Evaluation, Evaluator
from pipeline.tasks.registry import TASKS

SHOWN = (
    "precision",
    "recall",
    "density",
    "coverage",
    "near_duplicates",
    "vendi_ratio",
    "jsd",
    "copies_features",
    "copying",
    "contrast",
    "sharpness",
    "checkerboard",
)
HEADER = ("failure", "strength", "fid", "kl", "repeats", *SHOWN, "verdict", "named")


@dataclass(frozen=True)
class Row:
    """A row of the table, and whether the gate did what is required."""

    cells: list[str]
    correct: bool


class EvaluatorFactory:
    """Builds evaluators on one dataset with a common cache."""

    def __init__(self, data: Data, samples: int, cache: Path) -> None:
        gate = TASKS["generate"].gate(MEDIA[data.item.medium])
        self.data, self.cache = data, cache
        self.settings = EvaluateSettings(samples=max(samples, 50), gate=gate())

    def build(self, test: Images) -> Evaluator:
        """Build an evaluator with `test` as its reference."""
        return Evaluator(self.data.train, test, self.data.item, self.settings, torch.device("cpu"), cache=self.cache)


def format_numbers(evaluation: Evaluation) -> list[str]:
    """Format z-scores, the KL divergence of the class histogram minus its null, and the fraction of exact repeats."""
    metrics = evaluation.metrics
    fid = (metrics["fid_equal"] - metrics["fid_null"]) / metrics["fid_null_sd"] if metrics["fid_null_sd"] else 0.0
    kl = "–" if metrics["mode_kl"] is None else f"{max(metrics['mode_kl'] - metrics['mode_kl_null'], 0):.2f}"
    return [
        f"{fid:+.0f}",
        kl,
        f"{metrics['duplicate_rate']:.2f}",
        *(f"{metrics[f'{name}_z']:+.0f}" if f"{name}_z" in metrics else "–" for name in SHOWN),
    ]


def list_failures(evaluation: Evaluation) -> list[str]:
    """Return the failures that the verdict names."""
    return [reason.partition(":")[0] for reason in evaluation.verdict.reasons]


def evaluate_uncorrupted(evaluator: Evaluator, fresh: Real) -> Row:
    """Evaluate real images, which must pass."""
    evaluation = evaluator.evaluate(fresh.images)
    failures = list_failures(evaluation)
    cells = ["none", "0", *format_numbers(evaluation), evaluation.verdict.word, "; ".join(failures) or "–"]
    return Row(cells, not failures)


def evaluate_corruptions(evaluator: Evaluator, fresh: Real) -> Iterator[Row]:
    """Evaluate each corruption at each strength."""
    for corruption in CORRUPTIONS:
        for strength in corruption.strengths:
            images = corruption.apply(fresh, strength, np.random.default_rng(1))
            yield build_row(corruption, strength, evaluator.evaluate(images))


def build_row(corruption: Corruption, strength: float, evaluation: Evaluation) -> Row:
    """Compare the verdict with what is required of a corruption."""
    failures, required = list_failures(evaluation), corruption.must_be_stopped(strength)
    correct = not required or (bool(failures) and failures[0] in corruption.names)
    verdict = evaluation.verdict.word + ("" if required else " (free)")
    label = ("; ".join(failures) or "–") + ("" if correct else " WRONG")
    return Row([corruption.key, f"{strength:g}", *format_numbers(evaluation), verdict, label], correct)


def collect_false_alarms(data: Data, factory: EvaluatorFactory, draws: int, samples: int) -> list[str]:
    """Return the failures that the gate names for real images over several splits; it should name none."""
    alarms = []
    for seed in range(1, draws + 1):
        test, fresh = data.split(seed, samples)
        alarms += list_failures(factory.build(test).evaluate(fresh.images))
        sys.stderr.write(f"\rreal images {seed}/{draws}: {len(alarms)} false alarms ")
    sys.stderr.write("\n")
    return alarms


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source", type=Path, help="labelled folder or archive with a test split; default: the embedded digits"
    )
    parser.add_argument("--resolution", type=int, default=32, help="side of the images of --source")
    parser.add_argument("--samples", type=int, default=2500, help="images per evaluation, at most")
    parser.add_argument("--draws", type=int, default=40, help="splits in which real images must raise no alarm")
    parser.add_argument(
        "--cache", type=Path, default=Path(".ganline/benchmarks"), help="cache of classifiers and features"
    )
    parser.add_argument("--out", type=Path, help="folder for the table; without it the result is only printed")
    return parser.parse_args()


def main() -> int:
    """Run the benchmark; return 1 if a target is missed."""
    options = parse_arguments()
    began = time.monotonic()
    data = ingest_source(options.source, options.resolution) if options.source else load_digits()
    factory = EvaluatorFactory(data, options.samples, options.cache)
    test, fresh = data.split(0, options.samples)
    evaluator = factory.build(test)
    rows = [evaluate_uncorrupted(evaluator, fresh)]
    for row in evaluate_corruptions(evaluator, fresh):
        rows.append(row)
        print(" | ".join(row.cells), flush=True)
    alarms = collect_false_alarms(data, factory, options.draws, options.samples)
    alarm_names = f" ({', '.join(sorted(set(alarms)))})" if alarms else ""
    head = [
        f"{len(fresh.images):,} fresh images compared with {len(test):,}, {len(data.train):,} training images; "
        f"z-scores against real images of the same number; {time.monotonic() - began:.0f} s.",
        "",
        f"False alarms over {options.draws} draws of real images: {len(alarms)}{alarm_names}. "
        f"Corrupted sets handled correctly: {sum(row.correct for row in rows[1:])} of {len(rows) - 1}.",
    ]
    text = "\n".join([*head, "", *format_table(rows), ""])
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"{options.source.stem if options.source else 'digits'}.md"
        path.write_text(text, encoding="utf-8")
    print(text)
    return 0 if all(row.correct for row in rows) and not alarms else 1


def format_table(rows: list[Row]) -> list[str]:
    """Format the lines of the Markdown table."""
    lines = [HEADER, ["---"] * len(HEADER), *(row.cells for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


if __name__ == "__main__":
    sys.exit(main())
