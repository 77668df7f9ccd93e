"""Find out what the tests of an evaluation could not see: names that no test can give, and bounds lost in chance.

Both follow from the tests that were made and from the spread of real items, so no dataset needs a list of its own.
"""

from collections.abc import Sequence

from pipeline.evaluation.report_result import Result
from pipeline.evaluation.verdict import SIGNIFICANCE, Scale
from pipeline.evaluation.wording import join_names
from pipeline.measure import format_bound

WIDER = 1.25
"""Multiple of the distance from the null to a bound from which chance is said to hide failures."""
MADE = ("pass", "fail")


def find_blind_spots(results: Sequence[Result], significance: float = SIGNIFICANCE) -> list[str]:
    """Return what the tests could not see, "what: why".

    Args:
        results: The measures of a model, with their tests.
        significance: Standard deviations of the null that a failure must exceed.
    """
    hidden = [text for result in results for text in lost_in_chance(result, significance)]
    few = [f"differences that may be chance with so few items: {join_names(hidden)}"] if hidden else []
    return [*names_without_test(results), *few]


def names_without_test(results: Sequence[Result]) -> list[str]:
    """Return the failures that no test could name, each line with the reason for some of them."""
    tested = {name for result in results if result.test and result.test.state in MADE for name in names_of(result)}
    missing: dict[str, str] = {}
    for result in results:
        if result.test and result.test.state not in MADE:
            why = result.test.note if result.test.state == "skipped" else "switched off"
            for name in names_of(result):
                missing.setdefault(name, why)
    reasons = dict.fromkeys(why for name, why in missing.items() if name not in tested)
    return [
        f"{join_names([name for name, its in missing.items() if its == why and name not in tested])}: {why}"
        for why in reasons
    ]


def names_of(result: Result) -> list[str]:
    """Return the names that a failed test of this measure can have; a test without a bound has none."""
    if result.test is None or result.measure.bound is None:
        return []
    return list(dict.fromkeys(symptom.name for symptom in result.measure.symptoms))


def lost_in_chance(result: Result, significance: float) -> list[str]:
    """Return the values beyond the bound that pass because real items differ as much by chance; empty for none."""
    test, spread = result.test, result.spread
    if test is None or test.state not in MADE or spread is None or test.null is None:
        return []
    limits = Scale.of(result.measure, result.measurement).limits(result.measure.bounds(result.setting))
    found = []
    for bound, sign in ((limits.low, -1), (limits.high, 1)):
        if bound is not None and significance * spread > WIDER * abs(bound - test.null):
            needed = test.null + sign * significance * spread
            found.append(f"{result.name} {'down' if sign < 0 else 'up'} to {format_bound(needed)} (bound {test.bound})")
    return found
