"""Does a training that nobody watches end near its best, and does it say when it collapses?

    python -m benchmarks.unattended                                every case, five seeds: about twenty minutes on two cores
    python -m benchmarks.unattended --cases fast strong --seeds 1
    python -m benchmarks.unattended --response warn                what becomes of the same trainings when nothing is done

Trainings that are made to fail, and one that is not, run as `ganline train` runs them. Afterwards every look is judged again, by an
independent classifier: the Fréchet distance of what was delivered over the smallest seen in the run, and whether the run collapsed.
Exit 1 where a delivered model is more than a tenth worse than the best seen, or a collapse and its report do not agree.
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

from benchmarks.modes.common import single_threaded
from benchmarks.unattended.failing import CASES
from benchmarks.unattended.runs import Outcome, run

MOST = 1.1
HEADER = (
    "training",
    "seed",
    "best FID seen",
    "delivered",
    "over the best",
    "last over the best",
    "collapsed",
    "reported",
    "what was told",
)


def row(one: Outcome) -> list[str]:
    delivered = "failed, with advice" if one.ratio is None else f"{one.ratio * one.best:.2f}"
    ratio = "–" if one.ratio is None else f"{one.ratio:.3f}"
    last = f"{one.seen[-1].fid / one.best:.2f}"
    told = ", ".join(dict.fromkeys(one.told)) or "–"
    return [
        CASES[one.case].title,
        str(one.seed),
        f"{one.best:.2f}",
        delivered,
        ratio,
        last,
        *("yes" if f else "no" for f in (one.collapsed, one.reported)),
        told,
    ]


def line(one: Outcome) -> str:
    return f"{one.case} seed {one.seed}: best {one.best:.2f}, delivered {row(one)[3]}, collapsed {row(one)[6]}, reported {row(one)[7]}"


def report(outcomes: Sequence[Outcome], response: str) -> str:
    """A row a run, and beneath it what the bars are held to."""
    ratios = [one.ratio for one in outcomes if one.ratio is not None]
    agreed = sum(one.collapsed == one.reported for one in outcomes)
    table = [
        "| " + " | ".join(HEADER) + " |",
        "|" + "---|" * len(HEADER),
        *("| " + " | ".join(row(one)) + " |" for one in outcomes),
    ]
    facts = [
        f"Response: {response}. Delivered over the best seen: at most {max(ratios, default=float('nan')):.3f}, mean {np.mean(ratios or [np.nan]):.3f}, "
        f"in {len(ratios)} of {len(outcomes)} runs; the others failed with advice (exit 4).",
        f"Collapse by the independent judge and by the training's own report agree in {agreed} of {len(outcomes)} runs.",
        f"Looks took {100 * float(np.mean([one.looking for one in outcomes])):.1f} % of the time, one every 4,000 images.",
    ]
    return "\n".join([*table, "", *facts, ""])


def missed(outcomes: Sequence[Outcome]) -> bool:
    return any((one.ratio is not None and one.ratio > MOST) or one.collapsed != one.reported for one in outcomes)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.unattended",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each case (default: 5)")
    parser.add_argument("--response", choices=["rollback", "stop", "warn"], default="rollback")
    parser.add_argument("--images", type=int, help="length of each training (default: 120,000)")
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="trainings at a time, one thread each (default: one a core)",
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    jobs = [(case, seed, options.response, options.images) for case in options.cases for seed in range(options.seeds)]
    with ProcessPoolExecutor(max(1, min(options.workers, len(jobs))), get_context("spawn"), single_threaded) as pool:
        outcomes = []
        for task in tqdm([pool.submit(run, *job) for job in jobs], desc="trainings", unit="run"):
            outcomes.append(task.result())
            tqdm.write(line(outcomes[-1]), file=sys.stderr)
    text = report(outcomes, options.response)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{options.response}.md").write_text(text, encoding="utf-8")
    return int(missed(outcomes))


if __name__ == "__main__":
    sys.exit(main())
