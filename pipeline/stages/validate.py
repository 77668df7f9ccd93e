"""Validate: Great Expectations on the manifest; data/validated, metrics/validation.json and reports/data_docs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import params
from pipeline.arrays import BoolArray
from pipeline.data.store import DatasetInfo, open_split
from pipeline.errors import DataRejected, InputError
from pipeline.media.registry import find_medium
from pipeline.media.wording import say
from pipeline.stages import metrics_files
from pipeline.stages.paths import Paths
from pipeline.tasks.registry import TASKS

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]


NOT_EXAMINED = ("id", "bytes", "sha256", "shard", "row", "stored_height", "stored_width", "caption")
"""Columns of the manifest that no check reads."""


def run(root: Path) -> None:
    """Read data/dataset; write the accepted rows, the quarantine, the measurements and the report.

    Raises:
        DataRejected: A critical expectation is not met, or the test split does not suffice for the evaluation.
            Everything that explains it is written before.
    """
    from pipeline.data.expectations import expectations, tables, validate
    from pipeline.data.validation_findings import examine

    paths = Paths(root)
    loaded = params.load(paths.params)
    settings = loaded.validation
    info = DatasetInfo.read(paths.dataset)
    manifest = paths.dataset / "manifest.parquet"
    try:
        stored = pq.ParquetFile(manifest)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{manifest}: cannot be read ({error}); run `dvc repro -f ingest`") from None
    medium = find_medium(info.item.medium)
    findings = examine(read_examined(stored), info.item.classes, medium, settings, info.pairs)

    for folder in (paths.validated, paths.data_docs):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    findings.rejected[["path", "class", "split"]].assign(
        reason=findings.rejected["reason"] + ": " + findings.rejected["detail"]
    ).to_csv(paths.validated / "quarantine.csv", index=False, lineterminator="\n")
    failures = validate(expectations(findings, settings), tables(findings), paths.data_docs)
    critical = [failure for failure in failures if failure.expectation.severity == "critical"]
    warnings = [failure for failure in failures if failure.expectation.severity == "warning"]
    write_index(stored, findings.files["reason"].isna().to_numpy(), paths.validated / "index.parquet")
    numbers = findings.numbers()
    problems = [str(failure) for failure in critical]
    short = test_split_problems(paths, loaded.model.task, leaked=numbers["quarantined_leaked"])
    problems += [say(problem, medium.noun) for problem in short]
    numbers |= {
        "success": not problems,
        "critical": len(problems),
        "warnings": len(warnings),
        "messages": [f"critical: {problem}" for problem in problems] + [f"warning: {failure}" for failure in warnings],
    }
    metrics_files.write(paths.validation_metrics, numbers)
    for failure in warnings:
        sys.stderr.write(f"validate: warning: {failure}\n")
    if problems:
        # Only data that passed has an index, so that nobody trains on rejected data by hand.
        (paths.validated / "index.parquet").unlink()
        raise DataRejected(
            "the data was rejected:\n"
            + "\n".join(f"  {problem}" for problem in problems)
            + f"\n  (report: {paths.data_docs / 'index.html'}; thresholds and severities: `validate` in params.yaml)"
        )
    sys.stdout.write(
        f"validate: {numbers['images_accepted']} of {numbers['images_total']} accepted ({numbers['train_images']} "
        f"train, {numbers['test_images']} test), {numbers['images_quarantined']} set aside, {len(warnings)} warnings\n"
    )


def read_examined(manifest: pq.ParquetFile) -> pd.DataFrame:
    """Return the columns of a manifest that decide whether an item is accepted."""
    columns = [name for name in manifest.schema_arrow.names if name not in NOT_EXAMINED]
    return manifest.read(columns).to_pandas(split_blocks=True, self_destruct=True)  # column by column, without a copy


def write_index(manifest: pq.ParquetFile, accepted: BoolArray, path: Path) -> None:
    """Write the accepted rows of a manifest, one row group after the other."""
    from pipeline.data.validation_findings import INDEX

    columns = [name for name in INDEX if name in manifest.schema_arrow.names]
    schema = pa.schema([manifest.schema_arrow.field(name) for name in columns])
    start = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for number in range(manifest.num_row_groups):
            rows = manifest.read_row_group(number, columns)
            writer.write_table(rows.filter(pa.array(accepted[start : start + len(rows)])))
            start += len(rows)


def test_split_problems(paths: Paths, task: str, leaked: int) -> list[str]:
    """Return why the accepted test items do not suffice for an evaluation of the task, at most one reason.

    Args:
        paths: Paths of the project.
        task: Name of the task of params.yaml.
        leaked: Number of test items that were set aside because they are also in the training split.
    """
    try:
        TASKS[task].check_test_split(open_split(paths.dataset, paths.validated, "test"))
    except InputError as error:
        copies = f" ({leaked} test items were set aside: the training split has them, too)" if leaked else ""
        return [f"{error}{copies}"]
    return []
