"""The reasons of a verdict as text: the cause, the evidence, other failed tests, what to try. A leaf module."""

import re
from collections.abc import Iterable


def split_reason(reason: str) -> tuple[str, list[tuple[str, str]]]:
    """Split "cause: evidence; also failed: ... Advice" into the cause and the named parts that there are."""
    cause, _, rest = reason.partition(": ")
    sentences = re.split(r"\. (?=[A-Z])", rest, maxsplit=1)  # the advice is a sentence
    evidence, _, also = sentences[0].partition("; also failed: ")
    parts = [("evidence", evidence), ("also failed", also), ("try", sentences[1] if len(sentences) > 1 else "")]
    return cause, [(name, text) for name, text in parts if text]


def format_reason(reason: str) -> str:
    """Return a reason as lines: the cause, the evidence, other tests, what to try."""
    cause, parts = split_reason(reason)
    return "\n".join([cause, *(f"  {name}: {text}" for name, text in parts)])


def name_causes(reasons: Iterable[str]) -> str:
    """Return the causes of reasons, without evidence and advice, each once."""
    return "; ".join(dict.fromkeys(reason.partition(": ")[0] for reason in reasons))
