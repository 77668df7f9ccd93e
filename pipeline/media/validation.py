"""Settings of the validate stage, and what a medium contributes to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pipeline.settings import Settings

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

Severity = Literal["critical", "warning", "off"]

QUARANTINE = "data/validated/quarantine.csv lists them"
"""How messages say where items are that were set aside."""


class Bound(Settings):
    """The threshold of one expectation, and what happens if it is exceeded."""

    one_line: ClassVar[bool] = True

    limit: float = Field(ge=0, description="threshold of the expectation")
    severity: Severity = Field(description="what exceeding it causes")


class ValidationSettings(Settings):
    """Thresholds of the expectations that every medium has; a medium adds its own in a subclass.

    `critical` stops the line (exit code 3), `warning` is reported, `off` is not checked and sets nothing aside. Files
    that cannot be decoded are always set aside. Shares lie between 0 and 1.
    """

    min_images: Bound = Field(default=Bound(limit=64, severity="critical"), description="accepted training items")
    min_per_class: Bound = Field(
        default=Bound(limit=10, severity="critical"), description="accepted training items of the smallest class"
    )
    max_imbalance: Bound = Field(
        default=Bound(limit=10, severity="warning"), description="largest class over smallest class"
    )
    max_error_share: Bound = Field(
        default=Bound(limit=0.05, severity="critical"), description="share of files that could not be decoded"
    )
    max_duplicate_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of exact duplicates within a split; the copies are set aside",
    )
    max_leakage_share: Bound = Field(
        default=Bound(limit=0.01, severity="warning"),
        description="share of test items that are also in train; they are set aside from test",
    )
    max_unpaired_share: Bound = Field(
        default=Bound(limit=0.05, severity="critical"),
        description="share of items without a partner of the same size (data.pairs: folders); they are set aside, "
        "with `off` only those without any partner",
    )


@dataclass(frozen=True)
class Expectation:
    """One expectation of Great Expectations on one table.

    Attributes:
        key: Its place below `validate` in params.yaml.
        table: The table it looks at: files, items, test items, accepted, accepted train, or classes.
        name: Great Expectations' class.
        arguments: Arguments of that class.
        message: What to say if it is not met.
    """

    key: str
    table: str
    name: str
    arguments: dict[str, Any]
    severity: Severity
    message: str


@dataclass(frozen=True)
class Defect:
    """Items that are set aside for one reason.

    Attributes:
        reason: The name of the reason in quarantine.csv and in metrics/validation.json.
        share: The key of their share in metrics/validation.json.
        rows: One bool for every item.
        details: One text for each of these rows: what a person needs to know besides the reason.
        severity: With `off` nothing is set aside.
    """

    reason: str
    share: str
    rows: pd.Series
    details: pd.Series
    severity: Severity


def details_of(items: pd.DataFrame, rows: pd.Series, describe: Callable[..., str], *columns: str) -> pd.Series:
    """Return a text for each of the rows of a defect: `describe` gets the values of the columns in a row."""
    flagged = items[rows]
    texts = [describe(*values) for values in zip(*(flagged[column] for column in columns), strict=True)]
    return type(rows)(texts, index=flagged.index, dtype=object)


def share_expectation(key: str, arguments: dict[str, Any], bound: Bound, message: str) -> Expectation:
    """Return the expectation that all but a share of the items lie within limits."""
    mostly = max(0.0, 1 - bound.limit)
    return Expectation(
        key, "items", "ExpectColumnValuesToBeBetween", {**arguments, "mostly": mostly}, bound.severity, message
    )


def counted(rows: pd.Series) -> str:
    """Return how many of the rows are meant: "3 of 40 (7.50%)"."""
    return f"{int(rows.sum())} of {len(rows)} ({float(rows.mean()) if len(rows) else 0.0:.2%})"
