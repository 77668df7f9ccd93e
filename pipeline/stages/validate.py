"""Validate: Great Expectations on the manifest; data/validated, metrics/validation.json and reports/data_docs."""

import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import params
from pipeline.data.store import DatasetInfo
from pipeline.errors import DataRejected, InputError
from pipeline.media.registry import find_medium
from pipeline.stages import metrics_files
from pipeline.stages.paths import Paths


def run(root: Path) -> None:
    """Read data/dataset; write the accepted rows, the quarantine, the measurements and the report.

    Raises:
        DataRejected: A critical expectation is not met; everything that explains it is written before.
    """
    from pipeline.data.expectations import expectations, tables, validate
    from pipeline.data.validation_findings import INDEX, examine

    paths = Paths(root)
    settings = params.load(paths.params).validation
    info = DatasetInfo.read(paths.dataset)
    manifest = paths.dataset / "manifest.parquet"
    try:
        table = pq.read_table(manifest)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{manifest}: cannot be read ({error}); run `dvc repro -f ingest`") from None
    findings = examine(table.to_pandas(), info.item.classes, find_medium(info.item.medium), settings, info.pairs)

    for folder in (paths.validated, paths.data_docs):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    findings.rejected[["path", "class", "split"]].assign(
        reason=findings.rejected["reason"] + ": " + findings.rejected["detail"]
    ).to_csv(paths.validated / "quarantine.csv", index=False, lineterminator="\n")
    failures = validate(expectations(findings, settings), tables(findings), paths.data_docs)
    critical = [failure for failure in failures if failure.expectation.severity == "critical"]
    warnings = [failure for failure in failures if failure.expectation.severity == "warning"]
    numbers = findings.numbers() | {
        "success": not critical,
        "critical": len(critical),
        "warnings": len(warnings),
        "messages": [f"{failure.expectation.severity}: {failure}" for failure in critical + warnings],
    }
    metrics_files.write(paths.validation_metrics, numbers)
    for failure in warnings:
        sys.stderr.write(f"validate: warning: {failure}\n")
    if critical:
        raise DataRejected(
            "the data was rejected:\n"
            + "\n".join(f"  {failure}" for failure in critical)
            + f"\n  (report: {paths.data_docs / 'index.html'}; thresholds and severities: `validate` in params.yaml)"
        )
    # Only data that passed has an index, so that nobody trains on rejected data by hand.
    columns = [name for name in INDEX if name in table.column_names]
    accepted = table.select(columns).filter(pa.array(findings.files["reason"].isna().to_numpy()))
    pq.write_table(accepted, paths.validated / "index.parquet", compression="zstd")
    sys.stdout.write(
        f"validate: {numbers['images_accepted']} of {numbers['images_total']} accepted ({numbers['train_images']} "
        f"train, {numbers['test_images']} test), {numbers['images_quarantined']} set aside, {len(warnings)} warnings\n"
    )
