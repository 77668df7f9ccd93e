"""Check what the gates of translation and restoration say about the results of imitated models.

    python -m benchmarks.gate.transformed translate                         pieces of two photographs, unpaired
    python -m benchmarks.gate.transformed translate --paired                gray pieces and the same in colour
    python -m benchmarks.gate.transformed translate --source noto-emoji.zip --pairs outline --resolution 64
    python -m benchmarks.gate.transformed translate --source cifar10.zip --classes horse,deer
    python -m benchmarks.gate.transformed restore                           noise removed from such pieces

Real targets take the place of results, so that the truth is known. Unchanged, they must raise no alarm. With a fault,
they must be rejected under its name. The exit code is 1 if a target is missed.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.gate.failure import clip
from benchmarks.gate.results import count_alarms, format_table, share
from benchmarks.gate.transformed.data import Data, Split, load_photographs, load_source
from benchmarks.gate.transformed.faults import FAULTS
from benchmarks.gate.transformed.judges import add_noise, judge_restorations, judge_translations
from pipeline.evaluation.verdict import Verdict

DARKEST = 40
"""Gray level of black in originals, and of white below 255, so that noise is hardly clipped."""

LEFT = 0.04
"""Part of the noise that a good restoration leaves."""

JUDGES: dict[str, Callable[..., Verdict]] = {"translate": judge_translations, "restore": judge_restorations}


def draw_split(data: Data, task: str, seed: int, samples: int) -> Split:
    """Draw real images; for a restoration, noisy inputs and results that leave a part of the noise."""
    split = data.split(seed, samples)
    if task == "translate":
        return split
    originals = clip(DARKEST + split.results.good * ((255 - 2 * DARKEST) / 255))
    noisy = add_noise(originals, seed)
    good = clip(originals + LEFT * (noisy.astype(np.float32) - originals))
    return replace(split, results=replace(split.results, inputs=noisy, good=good), target=originals, paired=True)


def names_of(verdict: Verdict) -> list[str]:
    """Return the failure modes that a verdict names."""
    return [reason.partition(":")[0] for reason in verdict.reasons]


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gate.transformed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", choices=list(JUDGES), help="whose gate is applied")
    parser.add_argument("--source", type=Path, help="source of images; default: scikit-learn's photographs")
    parser.add_argument("--pairs", default="", help="data.pairs of the source")
    parser.add_argument("--classes", default="", help="two classes of the source, separated by a comma")
    parser.add_argument("--paired", action="store_true", help="pair the built-in photographs")
    parser.add_argument("--resolution", type=int, default=32, help="side of the images")
    parser.add_argument("--samples", type=int, default=500, help="results per evaluation, at most")
    parser.add_argument("--draws", type=int, default=20, help="draws in which real images must raise no alarm")
    parser.add_argument("--only", default="", help="run only the faults whose name contains this text")
    parser.add_argument("--cache", type=Path, default=Path(".ganline/benchmarks"), help="cache of datasets")
    parser.add_argument("--out", type=Path, help="folder for the table; without it the result is only printed")
    return parser.parse_args()


def main() -> int:
    """Run the benchmark; return 1 if a target is missed."""
    options = parse_arguments()
    if options.source:
        data = load_source(
            options.source, options.resolution, options.cache, pairs=options.pairs, classes=options.classes
        )
    else:
        data = load_photographs(options.resolution, options.paired or options.task == "restore")
    judge = JUDGES[options.task]
    split = draw_split(data, options.task, 0, options.samples)
    rows, correct, rejected, named = [], [], [], []
    for fault in (one for one in FAULTS if options.only in one.key):
        cells = []
        for strength in fault.strengths:
            outputs = fault.apply(split.results, strength, np.random.default_rng(1))
            names, required = names_of(judge(split, outputs, unrelated=fault.whole)), fault.is_required(strength)
            right = bool(names) and names[0] in fault.names(options.task)
            if strength == fault.must:
                rejected.append(bool(names))
                named.append(right)
            correct.append(right or not required)
            text = names[0] if names else "pass"
            cells.append(f"{strength:g}: {text if correct[-1] else f'**{text}**'}{'' if required else ' (free)'}")
            print(f"{fault.key} | {cells[-1]}", flush=True)
        rows.append([fault.key, " or ".join(fault.names(options.task)), *cells, *[""] * (3 - len(cells))])
    alarms = []
    for seed in range(1, options.draws + 1):
        fresh = draw_split(data, options.task, seed, options.samples)
        alarms.append(names_of(judge(fresh, fresh.results.good)))
        sys.stderr.write(f"\rreal images {seed}/{options.draws}: {count_alarms(alarms)} ")
    sys.stderr.write("\n")
    summary = [
        ["faults rejected at the weakest required strength", share(rejected)],
        ["of all, named right", share(named)],
        ["draws of real images with a false alarm", count_alarms(alarms)],
    ]
    head = f"{options.task}, {data.name}, {options.resolution} pixels: {len(split.results.good)} results in a set."
    table = format_table(("fault", "must be named", "weakest", "", ""), rows)
    text = "\n".join([head, "", *format_table(("", "result"), summary), "", *table, ""])
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{options.task}-{data.name}.md").write_text(text, encoding="utf-8")
    return 0 if all(correct) and not any(alarms) else 1


if __name__ == "__main__":
    sys.exit(main())
