"""Where MLflow keeps things: the address, a quiet client, and the registry of delivered models."""

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from pipeline.errors import InputError
from pipeline.files import folder_lock
from pipeline.telemetry import switch_off_telemetry

if TYPE_CHECKING:
    from mlflow import MlflowClient

SHA256 = "ganline.sha256"
"""Tag of a registered version: the digest of its ONNX file."""


def address(root: Path) -> str:
    """The tracking URI: MLFLOW_TRACKING_URI, else SQLite at the project's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root.resolve() / 'mlflow.db'}"


def artifacts(uri: str, root: Path) -> str | None:
    """Where a new experiment's files go: beside an SQLite database, whichever project writes to it; None where the server decides."""
    if remote(uri):
        return None
    folder = Path(uri.removeprefix("sqlite:///")).parent if uri.startswith("sqlite:///") else root
    return (folder.resolve() / "mlartifacts").as_uri()


def connect(uri: str) -> "MlflowClient":
    """A client that is quiet and gives up in seconds, where MLflow's own defaults print, and retry for minutes."""
    switch_off_telemetry()
    for name, value in {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
        "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # below it MLflow prints tracebacks of failures that the caller tells in one line
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    # Processes that begin at once would each make the tables of a new database.
    alone = folder_lock(Path(uri.removeprefix("sqlite:///")).parent) if uri.startswith("sqlite:///") else nullcontext()
    try:
        with alone:
            return MlflowClient(tracking_uri=uri, registry_uri=uri)
    except Exception as error:  # noqa: BLE001 - every backend raises its own
        raise unusable(uri, error) from None


def open_experiment(client: "MlflowClient", name: str, artifacts: str | None) -> str:
    """The id of an experiment, made where there is none; `artifacts` is where its files go (None: the server decides)."""
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=artifacts))
    if found.lifecycle_stage != "active":
        restore = f"mlflow experiments restore -x {found.experiment_id}"
        raise InputError(
            f"tracking.experiment: MLflow's experiment {name!r} was deleted; bring it back with `{restore}` or choose another name"
        )
    return str(found.experiment_id)


def experiment_of(client: "MlflowClient", run_id: str) -> str | None:
    """The experiment that a run belongs to; None where the store has no such run, or has it deleted."""
    from mlflow.exceptions import MlflowException

    try:
        info = client.get_run(run_id).info
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise
    return str(info.experiment_id) if info.lifecycle_stage == "active" else None


def register(
    client: "MlflowClient",
    experiment: str,
    run_id: str,
    path: Path,
    signature: Mapping[str, Any],
    name: str,
    sha256: str,
    tags: Mapping[str, str],
    files: Iterable[Path],
) -> str:
    """What `Run.log_model` does, without MLflow's global state and without the copy of the weights in memory losing them."""
    import mlflow.onnx
    import numpy as np
    import onnx
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get(SHA256) == sha256:
            return str(version.version)
    inputs, outputs = (
        Schema(
            [
                TensorSpec(np.dtype(tensor["dtype"]), tuple(tensor["shape"]), tensor["name"])
                for tensor in signature[side]
            ]
        )
        for side in ("inputs", "outputs")
    )
    logged = client.create_logged_model(
        experiment, name=path.stem, source_run_id=run_id, tags={SHA256: sha256, **tags}, model_type="generator"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        mlflow.onnx.save_model(
            onnx.load(path),
            folder,
            mlflow_model=Model(
                artifact_path=logged.artifact_location,
                run_id=run_id,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
            ),
            signature=ModelSignature(inputs=inputs, outputs=outputs),
            # Naming the requirements keeps MLflow from starting a process that loads the model to guess them.
            pip_requirements=mlflow.onnx.get_default_pip_requirements(),
            metadata=tags,
            save_as_external_data=False,
        )
        for file in files:
            (folder / file.name).write_bytes(file.read_bytes())
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    # A database is asked for "models:/..." through MLflow's global address, which is not ours; a server knows its own.
    source = f"models:/{logged.model_id}" if remote(client.tracking_uri) else logged.artifact_location
    created = client.create_model_version(
        name, source, run_id=run_id, tags={SHA256: sha256, **tags}, model_id=logged.model_id
    )
    return str(created.version)


def remote(uri: str) -> bool:
    """Whether the store is a server, which decides itself where artifacts lie."""
    return uri.startswith(("http://", "https://", "databricks"))


def redacted(uri: str) -> str:
    """The address without user and password."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri


def unusable(uri: str, error: Exception) -> InputError:
    origin = "MLFLOW_TRACKING_URI" if os.environ.get("MLFLOW_TRACKING_URI") else "the default store"
    way_out = "start the server, correct MLFLOW_TRACKING_URI, or unset it to record in mlflow.db"
    return InputError(f"{origin} {redacted(uri)}: MLflow cannot be used there: {brief(error)}; {way_out}")


def brief(error: Exception) -> str:
    """The first line of an error, without the credentials that an address may hold."""
    first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return (first.replace(uri, redacted(uri)) if uri else first)[:300]


def warn(message: str) -> None:
    sys.stderr.write(f"ganline: warning: {message}\n")
