"""Read what earlier runs of an experiment recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.tracking.mlflow_store import first_line, hide_credentials, warn

if TYPE_CHECKING:
    from pipeline.tracking.tracked_run import Run


@dataclass(frozen=True)
class RecordedRun:
    """A run of an experiment.

    Attributes:
        name: Its name in MLflow.
        address: Its page; empty for a store without a server.
        started: When it started.
        metrics: The last value of each metric.
    """

    name: str
    address: str
    started: datetime
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def find_runs(run: "Run", tag: str, most: int) -> list[RecordedRun]:
    """Return the last other runs of the experiment that have a tag, oldest first.

    Warn and return nothing if the store fails.
    """
    try:
        found = run.client.search_runs(
            [run.experiment_id],
            filter_string=f"tags.`{tag}` LIKE '%'",
            max_results=most + 1,
            order_by=["attributes.start_time DESC"],
        )
    except Exception as error:  # noqa: BLE001 - every backend raises its own
        warn(f"{hide_credentials(run.uri)}: earlier runs cannot be read: {first_line(error)}")
        return []
    server = hide_credentials(run.uri).rstrip("/") if run.uri.startswith(("http://", "https://")) else ""
    others = [one for one in found if one.info.run_id != run.id][:most]
    return [
        RecordedRun(
            name=str(one.info.run_name),
            address=f"{server}/#/experiments/{run.experiment_id}/runs/{one.info.run_id}" if server else "",
            started=datetime.fromtimestamp(one.info.start_time / 1000, UTC),
            metrics=dict(one.data.metrics),
            tags=dict(one.data.tags),
        )
        for one in reversed(others)
    ]
