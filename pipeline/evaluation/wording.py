"""Format percentages, lists of names and reasons."""

import re
from collections.abc import Iterable, Sequence

LISTED = 10
"""Maximum number of names in a list."""


def percent(value: float) -> str:
    """Format a fraction as a percentage with three significant digits."""
    return f"{100 * value:.3g} %"


def join_names(names: Sequence[str]) -> str:
    """Return "a, b and c"; of more than ten names, the first ten and the number of the others."""
    shown = [*names[:LISTED], f"{len(names) - LISTED:,} more"] if len(names) > LISTED else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def format_reason(reason: str) -> str:
    """Return "cause: evidence; also failed: ... Advice" as lines: the cause, the evidence, other tests, what to try."""
    cause, _, rest = reason.partition(": ")
    parts = re.split(r"\. (?=[A-Z])", rest, maxsplit=1)  # the advice is a sentence
    evidence, _, also = parts[0].partition("; also failed: ")
    lines = [("evidence", evidence), ("also failed", also), ("try", parts[1] if len(parts) > 1 else "")]
    return "\n".join([cause, *(f"  {name}: {text}" for name, text in lines if text)])


def name_causes(reasons: Iterable[str]) -> str:
    """Return the causes of reasons, without evidence and advice, each once."""
    return "; ".join(dict.fromkeys(reason.partition(": ")[0] for reason in reasons))
