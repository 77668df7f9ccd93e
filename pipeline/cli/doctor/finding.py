"""The result of one check."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One line of output: what was checked, the result, and what to do about it (empty if ok)."""

    level: Level
    check: str
    result: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level:<5} {self.check}: {self.result}" + (f"; {self.remedy}" if self.remedy else "")


Check = Callable[[Path], Iterator[Finding]]
"""Yields the findings about the project in a folder."""
