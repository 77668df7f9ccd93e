"""Find that training stopped too early: its last health checks still improved."""

from collections.abc import Mapping, Sequence

import numpy as np

IMPROVING = 0.9
"""Training still improves if its last health checks are at most this multiple of those before."""


def unfinished_reason(checks: Mapping[str, Sequence[float]]) -> list[str]:
    """Return that training stopped too early, if a goal of the health checks still improved; else nothing.

    Args:
        checks: Values of each goal, oldest first, by what a person calls it. Lower is better.
    """
    for title, values in checks.items():
        finite = [value for value in values if np.isfinite(value)]
        some = max(2, len(finite) // 4)
        if len(finite) < 2 * some:
            continue
        before, last = (float(np.median(part)) for part in (finite[-2 * some : -some], finite[-some:]))
        if last <= IMPROVING * before:
            return [
                f"stopped while still improving: the {title} of the last {some} health checks is {last:.3g}, "
                f"that of the {some} before them {before:.3g}. Raise train.total_images"
            ]
    return []
