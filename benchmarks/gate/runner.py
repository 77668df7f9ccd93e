"""Break the items of a bank in all ways, and record what the gate does."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gate.bank import Bank, Draw, apply_failure
from benchmarks.gate.failure import Failure, R
from benchmarks.gate.results import Judgement, Outcome, Results, list_failures


def add_options(parser: ArgumentParser) -> None:
    """Add the options that every bank has."""
    parser.add_argument("--samples", type=int, default=2500, help="items per evaluation, at most")
    parser.add_argument(
        "--only", action="append", default=[], help="run only the failures whose name contains this text; repeatable"
    )
    parser.add_argument(
        "--weakest", action="store_true", help="of each failure only the strengths that decide: see Failure.decisive"
    )
    parser.add_argument("--draws", type=int, default=20, help="draws in which real items must raise no alarm")
    parser.add_argument(
        "--cache", type=Path, default=Path(".ganline/benchmarks"), help="cache of datasets, classifiers and features"
    )
    parser.add_argument("--out", type=Path, help="folder for the tables; without it the result is only printed")


def choose_failures(bank: Bank[R], draw: Draw[R], parts: Sequence[str]) -> list[Failure[R]]:
    """Return the failures that exist for these items and whose name contains one of `parts`, if there are any."""
    existing = [one for one in bank.failures if one.applies(draw.real, bank.labelled)]
    return [one for one in existing if not parts or any(part in one.key for part in parts)]


def collect_outcomes(bank: Bank[R], draw: Draw[R], options: Namespace) -> list[Outcome]:
    """Break the items of a draw in all ways; print each outcome at once."""
    outcomes = []
    for failure in choose_failures(bank, draw, options.only):
        for strength in failure.decisive(bank.labelled) if options.weakest else failure.strengths:
            outcome = Outcome(
                failure,
                strength,
                failure.expectation(strength, bank.labelled),
                strength == failure.weakest(bank.labelled),
                Judgement.of(apply_failure(failure, draw, strength)),
            )
            print(f"{failure.key} | {outcome.cell}", flush=True)
            outcomes.append(outcome)
    return outcomes


def collect_alarms(bank: Bank[R], draws: int) -> list[list[str]]:
    """Return the failures that the gate names for unbroken items, by draw. Every second draw claims its labels."""
    alarms = []
    for seed in range(1, draws + 1):
        draw = bank.draw(seed)
        alarms.append(list_failures(draw.judge(draw.intact, draw.labels if seed % 2 == 0 else None)))
        sys.stderr.write(f"\rreal items {seed}/{draws}: {sum(map(bool, alarms))} false alarms ")
    sys.stderr.write("\n" if draws else "")
    return alarms


def run(bank: Bank[R], options: Namespace) -> Results:
    """Run a bank, print the shares and write the page."""
    draw = bank.draw(0)
    outcomes = collect_outcomes(bank, draw, options)
    models: dict[str, list[list[str]]] = {}
    for sample in bank.samples():
        judged = draw.judge(sample.items, sample.labels)
        print(f"{sample.model} | seed {sample.seed}: {'; '.join(judged.verdict.reasons) or 'pass'}", flush=True)
        models.setdefault(sample.model, []).append(list_failures(judged))
    results = Results(outcomes, collect_alarms(bank, options.draws), models)
    failures = len({outcome.failure for outcome in outcomes})
    head = f"{bank.describe(draw)} {failures} failures in {len(outcomes)} sets."
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{bank.name}.md").write_text(results.page(head), encoding="utf-8")
    print("\n".join(["", head, "", *results.summary()]))
    return results
