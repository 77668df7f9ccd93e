"""Format percentages and lists of names."""

from collections.abc import Sequence

LISTED = 10
"""Maximum number of names in a list."""


def percent(value: float) -> str:
    """Format a fraction as a percentage with three significant digits."""
    return f"{100 * value:.3g} %"


def join_names(names: Sequence[str]) -> str:
    """Return "a, b and c"; of more than ten names, the first ten and the number of the others."""
    shown = [*names[:LISTED], f"{len(names) - LISTED:,} more"] if len(names) > LISTED else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def format_verdict(verdict: str, untested: Sequence[str]) -> str:
    """Return the verdict in words, such as "pass, memorisation not tested".

    Args:
        verdict: "pass" or "fail".
        untested: What could not be tested, each "aspect: why"; a failure does not mention it.
    """
    if verdict != "pass" or not untested:
        return verdict
    return f"{verdict}, {join_names([text.partition(': ')[0] for text in untested])} not tested"


def format_near(near_bounds: Sequence[str]) -> str:
    """Return a note that names the passed tests that are near their bounds."""
    return f"near {'their bounds' if len(near_bounds) > 1 else 'its bound'}: {join_names(near_bounds)}"
