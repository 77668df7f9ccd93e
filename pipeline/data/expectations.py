"""Validate the data with Great Expectations: each key of `validate` is one expectation with a failure message."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]

from pipeline.data.validation_findings import Findings
from pipeline.media.validation import QUARANTINE, Expectation, ValidationSettings

COUNTED = "split"
"""The column of a table of which only the rows are counted."""


@dataclass(frozen=True)
class Failure:
    """An expectation that is not met."""

    expectation: Expectation

    def __str__(self) -> str:
        return f"{self.expectation.key}: {self.expectation.message}"


def tables(findings: Findings) -> dict[str, Callable[[], pd.DataFrame]]:
    """Return what makes the tables that are validated, by their names in the Data Docs."""
    frames: dict[str, Callable[[], pd.DataFrame]] = {
        "files": lambda: findings.files,
        "items": lambda: findings.items,
        "test items": lambda: findings.of_split("test", findings.items),
        "accepted": lambda: findings.accepted,
        "accepted train": lambda: findings.of_split("train", findings.accepted),
    }
    return frames | ({"classes": findings.per_class} if findings.classes else {})


def expectations(findings: Findings, settings: ValidationSettings) -> list[Expectation]:
    """Return the expectations that apply and are not `off`.

    Expectations on classes need classes; leakage needs a test split.
    """
    expected = share_expectations(findings, settings)
    expected += findings.medium.expectations(findings.items, findings.accepted, settings)
    expected.append(count_expectation(findings, settings))
    if findings.classes:
        expected += class_expectations(findings, settings)
    return [expectation for expectation in expected if expectation.severity != "off"]


def share_expectations(findings: Findings, settings: ValidationSettings) -> list[Expectation]:
    """Return the bounds on the fractions of defective files and items."""
    noun = findings.medium.noun
    items, test = findings.items, findings.of_split("test", findings.items)
    wrong = [
        ("max_error_share", "files", "error", findings.files, f"files could not be read as {noun}s"),
        (
            "max_duplicate_share",
            "items",
            "duplicate_of",
            items,
            f"{noun}s are exact copies of an earlier one in their split",
        ),
    ]
    if findings.pairs == "folders":
        what = f"{noun}s have no partner of their name and size in the other folder (data.pairs folders)"
        wrong.append(("max_unpaired_share", "items", "alone", items, what))
    if len(test):
        what = f"test {noun}s are also in the training split"
        wrong.append(("max_leakage_share", "test items", "leaked_from", test, what))
    expected = []
    for key, table, column, frame, what in wrong:
        bound = getattr(settings, key)
        count, total = int(frame[column].notna().sum()), len(frame)
        message = (
            f"{count} of {total} ({count / max(total, 1):.2%}) {what}, over validate.{key}.limit {bound.limit:g}; "
            f"{QUARANTINE}: fix the source or raise the limit"
        )
        arguments = {"column": column, "mostly": max(0.0, 1 - bound.limit)}
        expected.append(Expectation(key, table, "ExpectColumnValuesToBeNull", arguments, bound.severity, message))
    return expected


def count_expectation(findings: Findings, settings: ValidationSettings) -> Expectation:
    """Return the bound on the number of training items."""
    numbers, bound, noun = findings.numbers(), settings.min_images, findings.medium.noun
    return Expectation(
        "min_images",
        "accepted train",
        "ExpectTableRowCountToBeBetween",
        {"min_value": bound.limit},
        bound.severity,
        f"{numbers['train_images']} training {noun}s are accepted, fewer than validate.min_images.limit "
        f"{bound.limit:g} ({numbers['images_total']} files, {numbers['images_quarantined']} set aside, "
        f"{numbers['test_images']} held out); add {noun}s, or lower the limit",
    )


def class_expectations(findings: Findings, settings: ValidationSettings) -> list[Expectation]:
    """Return the bounds on count and balance of the training classes."""
    classes, noun = findings.per_class(), findings.medium.noun
    smallest, largest = classes.loc[classes["train_images"].idxmin()], classes.loc[classes["train_images"].idxmax()]
    counts = ", ".join(f"class {row['class']!r} has {row['train_images']}" for row in (smallest, largest))
    least, imbalance = settings.min_per_class, settings.max_imbalance
    return [
        Expectation(
            "min_per_class",
            "classes",
            "ExpectColumnMinToBeBetween",
            {"column": "train_images", "min_value": least.limit},
            least.severity,
            f"class {smallest['class']!r} has {smallest['train_images']} accepted training {noun}s, fewer than "
            f"validate.min_per_class.limit {least.limit:g}; add {noun}s to this class or domain, "
            "leave it out (data.classes), or lower the limit",
        ),
        Expectation(
            "max_imbalance",
            "classes",
            "ExpectColumnMaxToBeBetween",
            {"column": "times_smaller", "max_value": imbalance.limit},
            imbalance.severity,
            f"the classes are out of balance by {classes['times_smaller'].max():.3g} ({counts} accepted training "
            f"{noun}s), over validate.max_imbalance.limit {imbalance.limit:g}; add {noun}s to the small class, "
            "use data.limit, or raise the limit",
        ),
    ]


def validate(
    expected: list[Expectation], frames: Mapping[str, Callable[[], pd.DataFrame]], docs: Path
) -> list[Failure]:
    """Run the expectations through Great Expectations, write its Data Docs into `docs`, and return those not met.

    Raises:
        RuntimeError: An expectation cannot be evaluated. The data must not pass or fail because of it.
    """
    context = create_context(docs)
    failed = find_failures(context, expected, frames)
    context.build_data_docs()
    return failed


def create_context(docs: Path) -> Any:
    """Return a context of Great Expectations whose Data Docs are built into `docs`."""
    import great_expectations as gx

    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    context.delete_data_docs_site("local_site")
    site: Any = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)},
    }
    context.add_data_docs_site(site_name="ganline", site_config=site)
    return context


def find_failures(
    context: Any, expected: list[Expectation], frames: Mapping[str, Callable[[], pd.DataFrame]]
) -> list[Failure]:
    """Run the expectations in a context and return those not met. Raise RuntimeError as `validate` does.

    Great Expectations gets one table at a time, and only the columns that it checks.
    """
    source = context.data_sources.add_pandas("manifest")
    failed: set[str] = set()
    for table, frame in frames.items():
        members = {expectation.key: expectation for expectation in expected if expectation.table == table}
        if members:
            checked = {COUNTED, *(str(member.arguments.get("column")) for member in members.values())}
            rows = frame()
            rows = rows[[column for column in rows.columns if column in checked]]
            failed |= failed_keys(context, source, table, rows, members)
    return [Failure(expectation) for expectation in expected if expectation.key in failed]


def failed_keys(
    context: Any, source: Any, table: str, frame: pd.DataFrame, members: Mapping[str, Expectation]
) -> set[str]:
    """Run the expectations on one table and return the keys of those not met."""
    import great_expectations as gx
    import great_expectations.expectations as gxe

    batches = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(
        gx.ExpectationSuite(
            name=table,
            expectations=[
                getattr(gxe, member.name)(**member.arguments, severity=member.severity, meta={"key": key})
                for key, member in members.items()
            ],
        )
    )
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batches, suite=suite))
    results = definition.run(batch_parameters={"dataframe": frame}).results
    if len(results) != len(members):
        raise RuntimeError(f"{len(members)} expectations on {table!r} gave {len(results)} results")
    failed = set()
    for result in results:
        key, info = result.expectation_config.meta["key"], result.exception_info
        if not result.success:
            if info and info.get("raised_exception", "raised_exception" not in info):
                raise RuntimeError(f"validate.{key} could not be evaluated: {info}")
            failed.add(key)
    return failed
