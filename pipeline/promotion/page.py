"""The page that shows a challenger next to the champion: outcome, numbers under one protocol, samples, and checks.

It is no part of the evaluation's report. The champion is whatever the registry says when `ganline promote` runs, and an
output of DVC's graph must not depend on that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.arrays import Items
from pipeline.evaluation.report_page import data_uri, encode_png, format_number, open_template
from pipeline.evaluation.verdict import Scale
from pipeline.items import ItemSpec
from pipeline.measure import Measure, Measurement
from pipeline.media.registry import find_medium
from pipeline.promotion.approval import HELD, NOT_PROMOTED, PROMOTED
from pipeline.promotion.checks import Against

TEMPLATE = Path(__file__).parent / "templates" / "promotion.html.j2"
WORDS = {PROMOTED: "promoted", HELD: "held, needs approval", NOT_PROMOTED: "not promoted"}
HEADLINES = 3
"""Numbers in addition to those that decide."""


@dataclass(frozen=True)
class NumberPair:
    """A number of both models as text; `words` say how they differ, `state` whether that decides."""

    name: str
    challenger: str
    champion: str
    words: str = ""
    state: str = ""


def render_promotion(
    verdict: Mapping[str, Any],
    against: Against,
    measures: Sequence[Measure[Any]],
    item: ItemSpec,
    *,
    takes_input: bool = False,
) -> str:
    """Return the page: one HTML file without references to others.

    Args:
        verdict: Content of metrics/promotion.json.
        against: Both models, evaluated under one protocol.
        measures: Measures of the task.
        item: What an item is.
        takes_input: The items that show the models alternate between inputs and results.
    """
    return open_template(TEMPLATE).render(
        verdict=verdict,
        words=WORDS.get(verdict["outcome"], verdict["outcome"]),
        numbers=[*compared_numbers(against), *headline_numbers(against, measures)],
        challenger=sheet(against.challenger_items, item),
        champion=sheet(against.champion_items, item),
        takes_input=takes_input,
        checks=[
            check | {name: format_number(check[name]) if check[name] is not None else "" for name in SHOWN}
            for check in verdict["checks"]
        ],
        protocol=against.challenger["protocol"],
    )


SHOWN = ("value", "champion")
"""Columns of the checks that hold numbers."""


def compared_numbers(against: Against) -> list[NumberPair]:
    """Return the measures that decide, with the interval of the difference."""
    states = {"better": "pass", "worse": "fail"}
    return [
        NumberPair(
            name,
            format_number(against.challenger.get(name)),
            format_number(against.champion.get(name)),
            f"{one.verdict}: 95 % interval of the difference {one.low:.3g} to {one.high:.3g}",
            states.get(one.verdict, ""),
        )
        for name, one in against.measures.items()
    ]


def headline_numbers(against: Against, measures: Sequence[Measure[Any]]) -> list[NumberPair]:
    """Return the most important numbers of the evaluation, in the scale of its report."""
    placed = sorted((measure.place, measure.name, measure) for measure in measures if measure.place is not None)
    pairs = []
    for _, name, measure in placed:
        ours, theirs = (value_of(measure, metrics) for metrics in (against.challenger, against.champion))
        if ours is not None and theirs is not None and name not in against.measures:
            pairs.append(NumberPair(name, format_number(ours), format_number(theirs)))
    return pairs[:HEADLINES]


def value_of(measure: Measure[Any], metrics: Mapping[str, Any]) -> float | None:
    """Return the value of a measure in flat metrics, in the scale of its bound; None if it was not measured."""
    value, null = metrics.get(measure.name), metrics.get(f"{measure.name}_null")
    if not isinstance(value, int | float):
        return None
    return Scale.of(measure, Measurement(value, null if isinstance(null, int | float) else None)).value


def sheet(items: Items | None, item: ItemSpec) -> str | None:
    """Return a sheet of items as the source of an <img>; None without items."""
    if items is None:
        return None
    return data_uri(encode_png(find_medium(item.medium).preview(items, item)))
