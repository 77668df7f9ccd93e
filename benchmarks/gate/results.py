"""The outcome of the benchmark: what the gate did about each set of items, as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.gate.failure import Expectation, Failure
from pipeline.evaluation.verdict import Verdict

MEASURES = (
    "precision",
    "recall",
    "density",
    "coverage",
    "near_duplicates",
    "vendi_ratio",
    "jsd",
    "copies_features",
    "copying",
    "brightness",
    "contrast",
    "sharpness",
    "checkerboard",
)
"""Measures whose z-scores the table of numbers shows."""


class Judged(Protocol):
    """What the gate says of a set of items, and the metrics by name if there are any."""

    @property
    def verdict(self) -> Verdict: ...
    @property
    def metrics(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Judgement:
    """What is kept of `Judged`: features and pictures of all sets would fill the memory."""

    verdict: Verdict
    metrics: Mapping[str, Any]

    @classmethod
    def of(cls, judged: Judged) -> "Judgement":
        """Keep the verdict and the metrics."""
        return cls(judged.verdict, judged.metrics)


@dataclass(frozen=True)
class Outcome:
    """What the gate did about one set of items."""

    failure: Failure[Any]
    strength: float
    expectation: Expectation
    is_weakest: bool
    judged: Judged

    @property
    def named(self) -> list[str]:
        """Failure modes that the verdict names."""
        return list_failures(self.judged)

    @property
    def rejected(self) -> bool:
        """Whether the gate rejected the items."""
        return self.judged.verdict.word == "fail"

    @property
    def named_right(self) -> bool:
        """Whether the verdict names the failure first."""
        return bool(self.named) and self.named[0] in self.failure.names

    @property
    def correct(self) -> bool:
        """Whether the gate did what is expected."""
        if self.expectation == "reject":
            return self.rejected and self.named_right
        return self.expectation == "free" or not self.rejected

    @property
    def cell(self) -> str:
        """Strength, verdict and first name; targets that were missed are bold."""
        text = self.named[0] if self.rejected else "pass"
        free = " (free)" if self.expectation == "free" else ""
        return f"{self.strength:g}: {text if self.correct else f'**{text}**'}{free}"


@dataclass(frozen=True)
class Results:
    """All outcomes, and the failures that the verdicts on real items and on samples of good models name.

    Attributes:
        alarms: Failures named for real items, one list per draw.
        models: Failures named for samples of a good model, one list per seed, by the name of the model.
    """

    outcomes: Sequence[Outcome]
    alarms: Sequence[list[str]] = ()
    models: dict[str, list[list[str]]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every target is met."""
        rejected = [names for draws in self.models.values() for names in draws]
        return all(outcome.correct for outcome in self.outcomes) and not any([*self.alarms, *rejected])

    def summary(self) -> list[str]:
        """Return the lines of the table of shares."""
        weakest = [one for one in self.outcomes if one.is_weakest]
        must = [one for one in self.outcomes if one.expectation == "reject"]
        harmless = [one for one in self.outcomes if one.expectation == "accept"]
        rejected = [one for one in must if one.rejected]
        missed = [one.failure.key for one in weakest if not one.rejected]
        rows = [
            ["failures rejected at the weakest required strength", share(one.rejected for one in weakest)],
            ["of these, named right", share(one.named_right for one in weakest if one.rejected)],
            ["sets rejected, all required strengths", share(one.rejected for one in must)],
            ["of these, named right", share(one.named_right for one in rejected)],
            ["harmless sets accepted", share(not one.rejected for one in harmless)],
            ["draws of real items with a false alarm", count_alarms(self.alarms)],
            *([f"rejected sets of samples of {name}", count_alarms(draws)] for name, draws in self.models.items()),
            ["not rejected at the weakest required strength", ", ".join(missed) or "–"],
        ]
        return format_table(("", "result"), rows)

    def matrix(self) -> list[str]:
        """Return the lines of the table of verdicts: a row per failure, a column per strength."""
        by_failure: dict[Failure[Any], list[Outcome]] = {}
        for outcome in self.outcomes:
            by_failure.setdefault(outcome.failure, []).append(outcome)
        columns = max(len(outcomes) for outcomes in by_failure.values())
        rows = []
        for failure, outcomes in by_failure.items():
            cells = [one.cell for one in outcomes] + [""] * (columns - len(outcomes))
            rows.append([failure.key, " or ".join(failure.names) or "pass", *cells])
        return format_table(("failure", "must be named", "weakest", *[""] * (columns - 1)), rows)

    def failed_tests(self) -> list[str]:
        """Return the lines of the table of failed tests and of all failures that the verdicts name."""
        rows = [
            [
                outcome.failure.key,
                f"{outcome.strength:g}",
                "; ".join(outcome.named),
                ", ".join(f"{t.name} {t.value:.3g}" for t in outcome.judged.verdict.tests if t.state == "fail"),
            ]
            for outcome in self.outcomes
            if outcome.rejected
        ]
        return format_table(("failure", "strength", "verdict", "failed tests"), rows)

    def numbers(self) -> list[str]:
        """Return the lines of the table of z-scores, of the measures that exist."""
        columns = [name for name in MEASURES if any(f"{name}_z" in one.judged.metrics for one in self.outcomes)]
        if not columns:
            return []
        rows = [
            [outcome.failure.key, f"{outcome.strength:g}", *format_numbers(outcome.judged, columns)]
            for outcome in self.outcomes
        ]
        return format_table(("failure", "strength", "fid_ratio", "mode_kl", *columns), rows)

    def page(self, head: str) -> str:
        """Return the page with all tables; `head` says what was compared."""
        parts = {"Verdicts": self.matrix(), "Failed tests": self.failed_tests(), "Numbers": self.numbers()}
        sections = [f"\n# {title}\n\n" + "\n".join(lines) for title, lines in parts.items() if lines]
        return "\n".join([head, "", *self.summary(), *sections, ""])


def list_failures(judged: Judged) -> list[str]:
    """Return the failure modes that the verdict names."""
    return [reason.partition(":")[0] for reason in judged.verdict.reasons]


def format_numbers(judged: Judged, measures: Sequence[str]) -> list[str]:
    """Format the Fréchet ratio, the KL divergence of the class histogram beyond its null, and z-scores."""
    metrics = judged.metrics
    kl = "–" if metrics.get("mode_kl") is None else f"{max(metrics['mode_kl'] - metrics['mode_kl_null'], 0):.2f}"
    ratio = "–" if metrics.get("fid_ratio") is None else f"{metrics['fid_ratio']:.1f}"
    return [ratio, kl, *(f"{metrics[f'{name}_z']:+.0f}" if f"{name}_z" in metrics else "–" for name in measures)]


def share(flags: Iterable[bool]) -> str:
    """Format how many flags are set: "3 of 4 (75 %)"."""
    values = list(flags)
    return f"{sum(values)} of {len(values)} ({100 * sum(values) / len(values):.0f} %)" if values else "–"


def count_alarms(draws: Sequence[list[str]]) -> str:
    """Format the number of draws for which failures are named, and their names."""
    names = sorted({name for draw in draws for name in draw})
    count = f"{sum(bool(draw) for draw in draws)} of {len(draws)}"
    return f"{count} ({', '.join(names)})" if names else count


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Format the lines of a Markdown table."""
    return ["| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *rows)]
