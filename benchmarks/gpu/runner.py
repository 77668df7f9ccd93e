"""Measure rows within a time limit, and write each one at once."""

import gc
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from benchmarks.gpu.machine import Machine, NotMeasured
from benchmarks.gpu.plan import Step


class Report:
    """Writes rows to a file of JSON lines and to a table in Markdown; both are complete after every row.

    Args:
        path: The file of JSON lines; the table lies next to it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lines = path.open("w", encoding="utf-8")
        self.table = path.with_suffix(".md").open("w", encoding="utf-8")

    def __enter__(self) -> "Report":
        self.write(self.table, "| row | s | result |\n|---|---|---|\n")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.lines.close()
        self.table.close()

    def add(self, row: dict[str, Any]) -> None:
        """Write a row with `row`, `seconds` and its values."""
        self.write(self.lines, json.dumps(row) + "\n")
        values = {name: value for name, value in row.items() if name not in ("row", "seconds") and value != ""}
        text = "; ".join(f"{name.replace('_', ' ')} {format_value(value)}" for name, value in values.items())
        text = text.replace("|", "/")
        self.write(self.table, f"| {row['row']} | {row['seconds']:.1f} | {text} |\n")
        print(f"{row['row']}: {text}", file=sys.stderr, flush=True)

    def write(self, file: Any, text: str) -> None:
        """Write text, and wait until it is on the disk."""
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def format_value(value: Any) -> str:
    """Return a number with four digits, and anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def measure_all(steps: Sequence[Step], machine: Machine, limit: float, report: Report) -> int:
    """Measure rows as long as they fit into `limit` seconds; return how many failed."""
    began, failed = time.monotonic(), 0
    for step in steps:
        start = time.monotonic()
        row: dict[str, Any] = {"row": step.name}
        left = limit - (start - began)
        if left < (0 if machine.small else step.seconds):
            row["left_out"] = f"needs about {step.seconds:.0f} s, and {max(left, 0):.0f} s are left"
        else:
            failed += measure_row(step, machine, row)
        report.add(row | {"seconds": time.monotonic() - start})
        gc.collect()
        if machine.is_cuda:
            torch.cuda.empty_cache()
    return failed


def measure_row(step: Step, machine: Machine, row: dict[str, Any]) -> bool:
    """Add the values of a row, or why there are none; return whether it failed."""
    try:
        row |= step.measure(machine)
    except NotMeasured as reason:
        row["not_measured"] = str(reason)
    except Exception as error:  # noqa: BLE001 - any failure is a result, and the other rows go on
        text = str(error).strip().splitlines()
        row["error"] = f"{type(error).__name__}: {text[0][:300] if text else ''}"
        return True
    return False
