"""MLflow's store: its address, the client and the experiment."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from pipeline.errors import InputError
from pipeline.files import folder_lock
from pipeline.telemetry import switch_off_telemetry
from pipeline.tracking.relocation import ARTIFACTS, relocate_artifacts

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
DATABRICKS = {"databricks", "databricks-uc"}
"""Addresses without a scheme that are no folders."""

EXPERIMENTS = (".dvc", "tmp", "exps")
"""Folder of DVC's queued experiments in a checkout."""

PARENT_RUN = "mlflow.parentRunId"
"""MLflow's tag of a run with the run that it is nested in."""

CONTINUES = "ganline.continues"
"""Tag of a run with the run of another store that it continues."""

SHA256 = "ganline.sha256"
"""Tag of a registered version with the digest of its ONNX file."""


def address(root: Path) -> str:
    """Return the tracking URI: MLFLOW_TRACKING_URI, or SQLite in the project's root.

    Relative paths in it start from the root. In a folder of a queued experiment the root is that of the checkout.
    """
    return make_absolute(os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}mlflow.db", find_checkout(root))


def find_checkout(root: Path) -> Path:
    """Return the checkout of a project: `root`, or the one for which DVC runs an experiment in `root`.

    DVC runs queued experiments in clones below .dvc/tmp/exps and deletes them.
    """
    folder = root.resolve()
    parents = (parent.parents[2] for parent in folder.parents if parent.parts[-3:] == EXPERIMENTS)
    return next(parents, folder)


def make_absolute(uri: str, root: Path) -> str:
    """Return the address of a store; a relative path of a database or folder starts from `root`."""
    if uri.startswith(SQLITE):
        path = uri.removeprefix(SQLITE)
        return uri if path == ":memory:" else f"{SQLITE}{root / path}"
    if urlsplit(uri).scheme or uri in DATABRICKS:
        return uri
    return str(root / uri)


def artifact_location(uri: str, root: Path) -> str | None:
    """Return where a new experiment stores its files: next to an SQLite database. None lets a server decide."""
    if is_server(uri):
        return None
    folder = Path(uri.removeprefix(SQLITE)).parent if uri.startswith(SQLITE) else root
    return (folder.resolve() / ARTIFACTS).as_uri()


def connect(uri: str) -> "MlflowClient":
    """Return a client that prints nothing and gives up within seconds; MLflow's defaults retry for minutes.

    Raises:
        InputError: The store cannot be used.
    """
    switch_off_telemetry()
    for name, value in {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
        "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # no tracebacks: the caller reports a failure in one line
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    # Processes that start at the same time would all create the tables of a new database.
    database = Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None
    try:
        with folder_lock(database.parent) if database else nullcontext():
            if database and (moved_from := relocate_artifacts(database)):
                warn(f"{database}: was moved from {moved_from}; its artifacts are now read from {database.parent}")
            return MlflowClient(tracking_uri=uri, registry_uri=uri)
    except Exception as error:  # noqa: BLE001 - every backend raises its own
        raise store_error(uri, error) from None


def open_experiment(client: "MlflowClient", name: str, location: str | None) -> str:
    """Return the id of an experiment. Create it if it does not exist, with its files at `location`.

    Raises:
        InputError: The experiment was deleted.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return str(client.create_experiment(name, artifact_location=location))
    if experiment.lifecycle_stage != "active":
        restore = f"mlflow experiments restore -x {experiment.experiment_id}"
        raise InputError(
            f"tracking.experiment: MLflow's experiment {name!r} was deleted; restore it with `{restore}` "
            "or choose another name"
        )
    return str(experiment.experiment_id)


def experiment_of(client: "MlflowClient", run_id: str) -> str | None:
    """Return the experiment of a run; None if the run does not exist or was deleted."""
    from mlflow.exceptions import MlflowException

    try:
        info = client.get_run(run_id).info
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise
    return str(info.experiment_id) if info.lifecycle_stage == "active" else None


def find_successor(client: "MlflowClient", experiment: str, run_id: str) -> str | None:
    """Return the run that continues `run_id`, which another store recorded; None if there is none."""
    runs = client.search_runs([experiment], f"tags.`{CONTINUES}` = '{run_id}'", max_results=1)
    return str(runs[0].info.run_id) if runs else None


def is_server(uri: str) -> bool:
    """Whether the store is a server, which decides where artifacts are stored."""
    return uri.startswith(("http://", "https://", "databricks"))


def hide_credentials(uri: str) -> str:
    """Return an address without user and password."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri


def store_error(uri: str, error: Exception) -> InputError:
    """Return the error for a store that cannot be used."""
    origin = "MLFLOW_TRACKING_URI" if os.environ.get("MLFLOW_TRACKING_URI") else "the default store"
    way_out = "start the server, correct MLFLOW_TRACKING_URI, or unset it to record in mlflow.db"
    if "error code 401" in str(error):
        way_out = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to your account on this server"
    return InputError(f"{origin} {hide_credentials(uri)}: cannot use MLflow there: {first_line(error)}; {way_out}")


def first_line(error: Exception) -> str:
    """Return the first line of an error, without credentials."""
    first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return (first.replace(uri, hide_credentials(uri)) if uri else first)[:300]


def warn(message: str) -> None:
    """Print a warning on stderr."""
    sys.stderr.write(f"ganline: warning: {message}\n")
