"""Is every way a generator fails seen, named and stopped, and is nothing else?

    python -m benchmarks.judgement                                       the embedded digits, about three minutes on two cores
    python -m benchmarks.judgement --source fashion-mnist.zip            any labelled source with a test split
    python -m benchmarks.judgement --draws 0                             without the fresh draws of real images

Held-out real images, which nothing was trained on, take the place of samples: as they are (no false alarm over the draws), then
broken in controlled ways at rising strength. Prints a matrix of failures and measures (z against real images), whether the gate
stopped each, and what it called it; writes it to results/ beside this file. Exit 1 where a bar is missed.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.judgement.breakages import BREAKAGES, Real
from benchmarks.judgement.data import Data, Images, digits, source
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


def numbers(evaluation: Evaluation) -> list[str]:
    """z of the measures; the class histogram's KL over its null and the share of exact repeats as they are."""
    found = evaluation.metrics
    fid = (found["fid_equal"] - found["fid_null"]) / found["fid_null_sd"] if found["fid_null_sd"] else 0.0
    kl = "–" if found["mode_kl"] is None else f"{max(found['mode_kl'] - found['mode_kl_null'], 0):.2f}"
    return [
        f"{fid:+.0f}",
        kl,
        f"{found['duplicate_rate']:.2f}",
        *(f"{found[f'{name}_z']:+.0f}" if f"{name}_z" in found else "–" for name in SHOWN),
    ]


def names(evaluation: Evaluation) -> list[str]:
    return [reason.partition(":")[0] for reason in evaluation.verdict.reasons]


def broken(evaluator: Evaluator, fresh: Real) -> Iterator[tuple[list[str], bool]]:
    """A row for each breakage and strength, and whether it is as it should be."""
    for breakage in BREAKAGES:
        for strength in breakage.strengths:
            evaluation = evaluator.evaluate(breakage.apply(fresh, strength, np.random.default_rng(1)))
            said = names(evaluation)
            must = (
                abs(strength) >= breakage.must
                if breakage.strengths[0] < breakage.strengths[-1]
                else strength <= breakage.must
            )
            right = not must or (bool(said) and said[0] in breakage.names)
            label = "; ".join(said) or "–"
            yield (
                [
                    breakage.key,
                    f"{strength:g}",
                    *numbers(evaluation),
                    evaluation.verdict.word + ("" if must else " (free)"),
                    label + ("" if right else " WRONG"),
                ],
                right,
            )


def false_alarms(data: Data, evaluators: "Evaluators", draws: int, samples: int) -> list[str]:
    """What the gate says of fresh real images, over so many splits; empty is right."""
    found = []
    for seed in range(1, draws + 1):
        test, images, _ = data.split(seed, samples)
        found += names(evaluators.against(test).evaluate(images))
        sys.stderr.write(f"\rreal images {seed}/{draws}: {len(found)} false alarms ")
    sys.stderr.write("\n")
    return found


class Evaluators:
    """Evaluators on one data set, with a common cache."""

    def __init__(self, data: Data, samples: int, cache: Path) -> None:
        gate = TASKS["generate"].gate(MEDIA[data.item.medium])
        self.data, self.cache = data, cache
        self.settings = EvaluateSettings(samples=max(samples, 50), gate=gate())

    def against(self, test: Images) -> Evaluator:
        """Return the evaluator that compares with one reference."""
        return Evaluator(self.data.train, test, self.data.item, self.settings, torch.device("cpu"), cache=self.cache)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.judgement", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source", type=Path, help="a labelled folder or archive with a test split; without it the embedded digits"
    )
    parser.add_argument("--resolution", type=int, default=32, help="side of the images of --source")
    parser.add_argument("--samples", type=int, default=2500, help="images judged at a time, at most")
    parser.add_argument("--draws", type=int, default=40, help="splits over which real images must raise no alarm")
    parser.add_argument(
        "--cache", type=Path, default=Path(".ganline/benchmarks"), help="where classifiers and features are kept"
    )
    parser.add_argument("--out", type=Path, help="folder for the table; without it the result is only printed")
    options = parser.parse_args()
    began = time.monotonic()
    data = source(options.source, options.resolution) if options.source else digits()
    evaluators = Evaluators(data, options.samples, options.cache)
    test, images, labels = data.split(0, options.samples)
    evaluator = evaluators.against(test)
    real = evaluator.evaluate(images)
    rows, right = (
        [["none", "0", *numbers(real), real.verdict.word, "; ".join(names(real)) or "–"]],
        [not real.verdict.reasons],
    )
    for row, good in broken(evaluator, Real(images, labels, data.train.array, data.train.labels)):
        rows.append(row)
        right.append(good)
        print(" | ".join(row), flush=True)
    alarms = false_alarms(data, evaluators, options.draws, options.samples)
    text = report(rows, alarms, options.draws, right, data, len(images), len(test), time.monotonic() - began)
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"{options.source.stem if options.source else 'digits'}.md"
        path.write_text(text, encoding="utf-8")
    return 0 if all(right) and not alarms else 1


def report(
    rows: list[list[str]],
    alarms: list[str],
    draws: int,
    right: list[bool],
    data: Data,
    n: int,
    n_real: int,
    seconds: float,
) -> str:
    lines = [
        f"{n:,} fresh images judged against {n_real:,}, {len(data.train):,} to train on; z against real images of one size; {seconds:.0f} s.",
        "",
        f"False alarms over {draws} draws of real images: {len(alarms)} {sorted(set(alarms)) or ''}. "
        f"Broken images judged as they must be: {sum(right[1:])} of {len(right) - 1}.",
        "",
        "| " + " | ".join(HEADER) + " |",
        "|" + "---|" * len(HEADER),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
