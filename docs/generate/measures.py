"""The pages on the measures of each task, from their objects."""

from typing import Any

from docs.generate.parameters import in_yaml, sentence
from pipeline.measure import Measure, Symptom
from pipeline.media.registry import MEDIA
from pipeline.tasks.registry import TASKS

KINDS = {
    "absolute": "the value",
    "relative": "the value divided by its null (1 is as good as real data)",
    "excess": "the value minus its null (0 is as good as real data)",
}
DIRECTIONS = {"low": "lower is better", "high": "higher is better", "range": "must stay in a range"}


def measures_of(task: str) -> list[Measure[Any]]:
    """Return the measures of a task, for all media together."""
    found = {measure.name: measure for medium in MEDIA.values() for measure in TASKS[task].measures(medium)}
    return list(found.values())


def pages() -> dict[str, str]:
    """Return one page for each task with measures, by path below docs/reference/generated/."""
    return {f"measures/{task}.md": page(task, measures) for task in TASKS if (measures := measures_of(task))}


def page(task: str, measures: list[Measure[Any]]) -> str:
    """Return the page of a task: tests, other numbers, failure modes."""
    tests = [measure for measure in measures if measure.better is not None]
    others = [measure for measure in measures if measure.better is None]
    lines = [
        f"# Measures: task `{task}`",
        "",
        "The names are keys in `metrics/evaluation.json` and rows in `reports/evaluation.html`.",
        "{doc}`/explanation/evaluation` explains nulls and verdicts.",
        "",
        "## Tests of the gate",
        "",
    ]
    for measure in tests:
        lines += test(task, measure)
    if others:
        lines += ["## Other numbers", ""]
    for measure in others:
        lines += [f"`{measure.name}`", f": {sentence(measure.explanation)}", ""]
    return "\n".join([*lines, *symptoms(measures)])


def test(task: str, measure: Measure[Any]) -> list[str]:
    """Return the lines of a measure that is a test."""
    default = "off" if measure.bound is None else f"`{in_yaml(measure.bound)}`"
    assert measure.better is not None
    kind = f"{KINDS[measure.kind][0].upper()}{KINDS[measure.kind][1:]}"
    setting = f"[`evaluate.gate.{measure.key}`](#param-{task}-evaluate.gate.{measure.key})"
    needs = f" It needs {measure.needs}." if measure.needs else ""
    return [
        f"`{measure.name}`",
        f": {sentence(measure.explanation)}{needs}",
        "",
        f"  {kind}; {DIRECTIONS[measure.better]}. Bound: {setting}, default {default}.",
        "",
    ]


def symptoms(measures: list[Measure[Any]]) -> list[str]:
    """Return the table of failure modes, the most specific first."""
    found: dict[Symptom, list[str]] = {}
    for measure in measures:
        for symptom in {one.name: one for one in reversed(measure.symptoms)}.values():
            found.setdefault(symptom, []).append(measure.name)
    lines = ["## Failure modes", "", "The verdict names these, the most specific first.", ""]
    for symptom in sorted(found, key=lambda one: one.priority):
        names = ", ".join(f"`{name}`" for name in dict.fromkeys([*found[symptom], *symptom.causes]))
        advice = symptom.advice if symptom.advice.endswith(".") else f"{symptom.advice}."
        lines += [f"{symptom.name}", f": Shown by {names}. {advice}", ""]
    return lines
