"""Words for reasons and warnings: percentages and lists of names."""

from collections.abc import Sequence

LISTED = 10
"""Names in a list, at most."""


def percent(value: float) -> str:
    """Return a share as a percentage of three significant digits."""
    return f"{100 * value:.3g} %"


def join_names(names: Sequence[str]) -> str:
    """Return "a, b and c"; of more than ten names the first ten and how many more there are."""
    shown = [*names[:LISTED], f"{len(names) - LISTED:,} more"] if len(names) > LISTED else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
