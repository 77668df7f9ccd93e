"""Unattended training: is the selected checkpoint close to the best one, and is mode collapse reported?

    python -m benchmarks.unattended                                all cases, five seeds: 20 minutes on two cores
    python -m benchmarks.unattended --cases fast strong --seeds 1
    python -m benchmarks.unattended --response warn                the same runs without a response to symptoms

Four configurations that fail and one that does not are trained as `ganline train` does. Then an independent classifier
evaluates the samples of every health check: Fréchet distance of the selected checkpoint over the lowest of the run, and
whether the run collapsed. Exit code 1 if a selected checkpoint is more than 10 % worse than the best one, or if
collapse and report disagree.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.modes.common import use_one_thread
from benchmarks.unattended.failing import CASES
from benchmarks.unattended.runs import Outcome, run

MAX_RATIO = 1.1
HEADER = (
    "training",
    "seed",
    "best FID seen",
    "selected",
    "over the best",
    "last over the best",
    "collapsed",
    "reported",
    "symptoms",
)


def row(one: Outcome) -> list[str]:
    """Format a run as a row of the table."""
    selected = "failed with advice" if one.ratio is None else f"{one.ratio * one.best:.2f}"
    ratio = "–" if one.ratio is None else f"{one.ratio:.3f}"
    last = f"{one.checks[-1].fid / one.best:.2f}"
    symptoms = ", ".join(dict.fromkeys(one.symptoms)) or "–"
    return [
        CASES[one.case].title,
        str(one.seed),
        f"{one.best:.2f}",
        selected,
        ratio,
        last,
        *("yes" if f else "no" for f in (one.collapsed, one.reported)),
        symptoms,
    ]


def format_run(one: Outcome) -> str:
    """Format a run in one line."""
    *_, selected, _, _, collapsed, reported, _ = row(one)
    return (
        f"{one.case} seed {one.seed}: best {one.best:.2f}, selected {selected}, "
        f"collapsed {collapsed}, reported {reported}"
    )


def report(outcomes: Sequence[Outcome], response: str) -> str:
    """Format the table of all runs and the summary below it."""
    ratios = [one.ratio for one in outcomes if one.ratio is not None]
    agreed = sum(one.collapsed == one.reported for one in outcomes)
    table = [
        "| " + " | ".join(HEADER) + " |",
        "|" + "---|" * len(HEADER),
        *("| " + " | ".join(row(one)) + " |" for one in outcomes),
    ]
    facts = [
        f"Response: {response}. Selected over best: maximum {max(ratios, default=float('nan')):.3f}, "
        f"mean {np.mean(ratios or [np.nan]):.3f}, in {len(ratios)} of {len(outcomes)} runs; "
        "the others failed with advice (exit code 4).",
        f"Independent evaluation and the training's own report agree on collapse in {agreed} of {len(outcomes)} runs.",
        f"Health checks took {100 * float(np.mean([one.looking for one in outcomes])):.1f} % of the time, "
        "one every 4,000 images.",
    ]
    return "\n".join([*table, "", *facts, ""])


def misses_target(outcomes: Sequence[Outcome]) -> bool:
    """Whether a selected checkpoint is too far from the best one, or a report is wrong."""
    return any((one.ratio is not None and one.ratio > MAX_RATIO) or one.collapsed != one.reported for one in outcomes)


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.unattended",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seeds", type=int, default=5, help="runs per case (default: 5)")
    parser.add_argument("--response", choices=["rollback", "stop", "warn"], default="rollback")
    parser.add_argument("--images", type=int, help="length of a run in images (default: 120,000)")
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="parallel runs, one thread each (default: one per core)",
    )
    parser.add_argument("--out", type=Path, help="folder for the table; without it the result is only printed")
    options = parser.parse_args()
    jobs = [(case, seed, options.response, options.images) for case in options.cases for seed in range(options.seeds)]
    with ProcessPoolExecutor(max(1, min(options.workers, len(jobs))), get_context("spawn"), use_one_thread) as pool:
        outcomes = []
        for task in tqdm([pool.submit(run, *job) for job in jobs], desc="runs", unit="run"):
            outcomes.append(task.result())
            tqdm.write(format_run(outcomes[-1]), file=sys.stderr)
    text = report(outcomes, options.response)
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{options.response}.md").write_text(text, encoding="utf-8")
    return int(misses_target(outcomes))


if __name__ == "__main__":
    sys.exit(main())
