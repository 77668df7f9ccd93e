"""What the data must be: each key of `validate` as one Great Expectations expectation, with the words for when it is broken."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]

from pipeline.data.settings import Severity, ValidateSettings
from pipeline.data.validation_findings import Findings

QUARANTINE = "data/validated/quarantine.csv names them"


@dataclass(frozen=True)
class Check:
    """One expectation on one table. `key` is its place below `validate` in params.yaml; `message` is what to say when it fails."""

    key: str
    table: str
    expectation: str
    arguments: dict[str, Any]
    severity: Severity
    message: str


@dataclass(frozen=True)
class Failure:
    """A check that failed."""

    check: Check

    def __str__(self) -> str:
        return f"{self.check.key}: {self.check.message}"


def tables(findings: Findings) -> dict[str, pd.DataFrame]:
    """What the expectations look at, by the names the Data Docs show."""
    found = {
        "files": findings.files,
        "images": findings.images,
        "test images": findings.of_split("test", findings.images),
        "accepted": findings.accepted,
        "accepted train": findings.of_split("train", findings.accepted),
    }
    if findings.classes:
        found["classes"] = findings.per_class()
    return found


def checks(findings: Findings, settings: ValidateSettings) -> list[Check]:
    """Every check that is not `off` and has something to look at: class checks need classes, leakage needs a test split."""
    n = findings.numbers()
    images = len(findings.images)

    def exceeds(key: str, count: int, total: int, what: str) -> str:
        limit = getattr(settings, key).limit
        return f"{count} of {total} ({count / max(total, 1):.2%}) {what}, over validate.{key}.limit {limit:g}; {QUARANTINE}: mend the source or raise the limit"

    def share(key: str, table: str, column: str, count: int, total: int, what: str) -> Check:
        bound = getattr(settings, key)
        arguments = {"column": column, "mostly": max(0.0, 1 - bound.limit)}
        return Check(
            key, table, "ExpectColumnValuesToBeNull", arguments, bound.severity, exceeds(key, count, total, what)
        )

    errors, copies = int(findings.files["error"].notna().sum()), int(findings.images["duplicate_of"].notna().sum())
    test = findings.of_split("test", findings.images)
    constant, small = int(findings.images["constant"].sum()), int(findings.images["small"].sum())
    found = [
        share("max_error_share", "files", "error", errors, len(findings.files), "files could not be read as images"),
        share(
            "max_duplicate_share",
            "images",
            "duplicate_of",
            copies,
            images,
            "images are exact copies of an earlier one in their split",
        ),
    ]
    if findings.pairs == "folders":
        alone = int(findings.images["alone"].notna().sum())
        what = "images have no partner of their name and size in the other folder (data.pairs folders)"
        found.append(share("max_unpaired_share", "images", "alone", alone, images, what))
    if len(test):
        leaked = int(test["leaked_from"].notna().sum())
        found.append(
            share(
                "max_leakage_share",
                "test images",
                "leaked_from",
                leaked,
                len(test),
                "test images are also in the training split",
            )
        )
    found += [
        Check(
            "max_constant_share",
            "images",
            "ExpectColumnValuesToBeBetween",
            {
                "column": "std",
                "min_value": settings.constant_std,
                "mostly": max(0.0, 1 - settings.max_constant_share.limit),
            },
            settings.max_constant_share.severity,
            exceeds(
                "max_constant_share",
                constant,
                images,
                f"images are near-constant (standard deviation below validate.constant_std {settings.constant_std:g})",
            ),
        ),
        Check(
            "min_side",
            "images",
            "ExpectColumnValuesToBeBetween",
            {"column": "side", "min_value": settings.min_side.limit},
            settings.min_side.severity,
            f"{small} of {images} images have a side shorter than validate.min_side.limit {settings.min_side.limit:g} pixels; {QUARANTINE}: "
            "give larger images or lower the limit",
        ),
        Check(
            "modes",
            "images",
            "ExpectColumnValuesToBeInSet",
            {"column": "mode", "value_set": list(settings.modes.allowed)},
            settings.modes.severity,
            f"{unusual_modes(findings, settings)} stored in a mode that validate.modes.allowed does not list; look whether their colours came through, "
            "then add the mode to the list",
        ),
        Check(
            "min_images",
            "accepted train",
            "ExpectTableRowCountToBeBetween",
            {"min_value": settings.min_images.limit},
            settings.min_images.severity,
            f"{n['train_images']} training images are accepted, fewer than validate.min_images.limit {settings.min_images.limit:g} "
            f"({n['images_total']} files, {n['images_quarantined']} set aside, {n['test_images']} held out); give more images, or lower the limit",
        ),
    ]
    if len(findings.accepted):
        low, high = settings.mean_range
        found.append(
            Check(
                "mean_range",
                "accepted",
                "ExpectColumnMeanToBeBetween",
                {"column": "mean", "min_value": low, "max_value": high},
                "warning",
                f"the accepted pixels' mean is {n['pixel_mean']:.4f} (0 black, 1 white), outside validate.mean_range [{low:g}, {high:g}]: "
                "look at the images, at data.background and data.fit, or widen the range",
            )
        )
    if findings.classes:
        found += class_checks(findings.per_class(), settings)
    return [check for check in found if check.severity != "off"]


def class_checks(classes: pd.DataFrame, settings: ValidateSettings) -> list[Check]:
    """Counts and balance of the training classes."""
    smallest, largest = classes.loc[classes["train_images"].idxmin()], classes.loc[classes["train_images"].idxmax()]
    pair = f"class {smallest['class']!r} has {smallest['train_images']}, class {largest['class']!r} {largest['train_images']}"
    return [
        Check(
            "min_per_class",
            "classes",
            "ExpectColumnMinToBeBetween",
            {"column": "train_images", "min_value": settings.min_per_class.limit},
            settings.min_per_class.severity,
            f"class {smallest['class']!r} has {smallest['train_images']} accepted training images, fewer than validate.min_per_class.limit "
            f"{settings.min_per_class.limit:g}; give this class, or domain, more images, leave it out (data.classes), or lower the limit",
        ),
        Check(
            "max_imbalance",
            "classes",
            "ExpectColumnMaxToBeBetween",
            {"column": "times_smaller", "max_value": settings.max_imbalance.limit},
            settings.max_imbalance.severity,
            f"the classes are out of balance by {classes['times_smaller'].max():.3g} ({pair} accepted training images), over validate.max_imbalance.limit "
            f"{settings.max_imbalance.limit:g}; give the small class more images, use data.limit, or raise the limit",
        ),
    ]


def unusual_modes(findings: Findings, settings: ValidateSettings) -> str:
    """ "3 images (CMYK 2, I;16 1)"."""
    modes = findings.images["mode"]
    counts = modes[~modes.isin(settings.modes.allowed)].value_counts(sort=False)
    return f"{counts.sum()} images ({', '.join(f'{mode} {count}' for mode, count in sorted(counts.items()))})"


def judge(checks: list[Check], tables: dict[str, pd.DataFrame], docs: Path) -> list[Failure]:
    """Runs the checks through Great Expectations, writes its Data Docs into `docs` (index.html) and returns those that failed.

    An expectation that cannot be evaluated raises RuntimeError: it must not pass for good or bad data.
    """
    import great_expectations as gx
    import great_expectations.expectations as gxe

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
    source = context.data_sources.add_pandas("manifest")
    failed = set()
    for table, frame in tables.items():
        here = {check.key: check for check in checks if check.table == table}
        if not here:
            continue
        batches = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all")
        expectations = [
            getattr(gxe, check.expectation)(**check.arguments, severity=check.severity, meta={"key": key})
            for key, check in here.items()
        ]
        suite = context.suites.add(gx.ExpectationSuite(name=table, expectations=expectations))
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batches, suite=suite))
        results = definition.run(batch_parameters={"dataframe": frame}).results
        if len(results) != len(here):
            raise RuntimeError(f"{len(here)} expectations on {table!r} gave {len(results)} results")
        for result in results:
            if not result.success:
                check = here[result.expectation_config.meta["key"]]
                if result.exception_info and result.exception_info.get(
                    "raised_exception", "raised_exception" not in result.exception_info
                ):
                    raise RuntimeError(f"validate.{check.key} could not be evaluated: {result.exception_info}")
                failed.add(check.key)
    context.build_data_docs()
    return [Failure(check) for check in checks if check.key in failed]
