"""Convert parameters, metrics and tags to what MLflow accepts."""

import json
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

VALUE_LENGTH = 6000


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, keys joined with dots."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def clip_text(value: object) -> str:
    """Return a value as text of at most the length that MLflow stores."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= VALUE_LENGTH else text[: VALUE_LENGTH - 1] + "…"


def finite_number(value: object) -> float | None:
    """Return a finite number as a float; None for everything else (some backends refuse NaN and infinity)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    return float(value) if math.isfinite(value) else None


def chunks(items: list[Any], size: int) -> Iterable[list[Any]]:
    """Yield `items` in lists of at most `size`."""
    return (items[at : at + size] for at in range(0, len(items), size))


def milliseconds() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
