"""Check that the gate detects, names and stops every failure of a generator, and nothing else.

    python -m benchmarks.judgement                               the embedded digits, about three minutes on two cores
    python -m benchmarks.judgement --source fashion-mnist.zip    any labelled source with a test split
    python -m benchmarks.judgement --draws 0                     without the fresh draws of real images

Held-out real images replace the samples of a generator. Unchanged, they must raise no alarm. Degraded in controlled
ways at increasing strength, they must be rejected under the right name. The result is a table of failures and measures
(z-scores against real images) with the verdicts. The exit code is 1 if a target is missed.
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
    """Return z-scores of the measures, and the divergence of the class histogram and the share of repeats as values."""
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
    """Return the failure modes that the verdict names."""
    return [reason.partition(":")[0] for reason in evaluation.verdict.reasons]


def broken(evaluator: Evaluator, fresh: Real) -> Iterator[tuple[list[str], bool]]:
    """Yield a row for each degradation and strength, and whether the gate handled it correctly."""
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
    """Return the failure modes that the gate names for fresh real images, over `draws` splits; none is correct."""
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
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.judgement", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source", type=Path, help="a labelled folder or archive with a test split; without it the embedded digits"
    )
    parser.add_argument("--resolution", type=int, default=32, help="side of the images of --source")
    parser.add_argument("--samples", type=int, default=2500, help="maximum number of images in one evaluation")
    parser.add_argument("--draws", type=int, default=40, help="splits of real images that must raise no alarm")
    parser.add_argument(
        "--cache", type=Path, default=Path(".ganline/benchmarks"), help="folder of cached classifiers and features"
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
    """Return the table as Markdown."""
    alarm_names = f" ({', '.join(sorted(set(alarms)))})" if alarms else ""
    lines = [
        f"{n:,} fresh images compared with {n_real:,}, {len(data.train):,} training images; "
        f"z-scores against real images of the same number; {seconds:.0f} s.",
        "",
        f"False alarms over {draws} draws of real images: {len(alarms)}{alarm_names}. "
        f"Degraded sets handled correctly: {sum(right[1:])} of {len(right) - 1}.",
        "",
        "| " + " | ".join(HEADER) + " |",
        "|" + "---|" * len(HEADER),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
