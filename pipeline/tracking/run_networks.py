"""The trained networks of a run: stored as artifacts by `export`, and read by a warm start."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.tracking.mlflow_store import address, connect, experiment_of, first_line, hide_credentials, store_error
from pipeline.tracking.model_address import SCHEME, ModelAddress

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUNS = "runs:/"
ARTIFACTS = "networks"
"""Folder of the run's artifacts with the content of models/."""

NETWORKS_SHA256 = "ganline.networks"
"""Tag of a run with the digest of its networks."""


def is_tracked(source: str) -> bool:
    """Return whether a source is a registered model or a run, and not a path."""
    return source.startswith((SCHEME, RUNS))


def download(root: Path, source: str, folder: Path) -> tuple[Path, str, str]:
    """Download the networks of a registered model or a run.

    Args:
        root: The project's root.
        source: models:/NAME@ALIAS, models:/NAME/VERSION or runs:/ID.
        folder: Where to put them.

    Returns:
        Their folder, the source with its alias resolved, and the run's id.

    Raises:
        InputError: There is no such model or run, it has no networks, or the store does not respond.
    """
    uri = address(root)
    client = connect(uri)
    source, run_id = find_run(client, uri, source)
    try:
        files = {Path(file.path).name for file in client.list_artifacts(run_id, ARTIFACTS)}
        if files:
            return Path(client.download_artifacts(run_id, ARTIFACTS, str(folder))), source, run_id
    except Exception as error:  # noqa: BLE001 - every artifact store raises its own
        raise InputError(
            f"train.start_from {source}: cannot download the networks of run {run_id} from {hide_credentials(uri)} "
            f"({first_line(error)}). Check that the artifact store is reachable"
        ) from None
    raise InputError(
        f"train.start_from {source}: run {run_id} has no networks. `export` stores them since version 0.2: run "
        "`dvc repro -f export` where the parent was trained, or name a folder with its files"
    )


def find_run(client: "MlflowClient", uri: str, source: str) -> tuple[str, str]:
    """Return a source with its alias resolved, and its run's id. Raise InputError as `download` does."""
    if source.startswith(SCHEME):
        version = ModelAddress(source, "train.start_from").find_version(client, uri)
        return f"{SCHEME}{version.name}/{version.version}", str(version.run_id)
    run_id = source.removeprefix(RUNS)
    try:
        found = experiment_of(client, run_id)
    except Exception as error:  # noqa: BLE001 - every backend raises its own
        raise store_error(uri, error) from None
    if found is None:
        raise InputError(
            f"train.start_from {source}: {hide_credentials(uri)} has no such run. See `mlflow ui`, or models/run.json "
            "where the parent was trained"
        )
    return source, run_id
