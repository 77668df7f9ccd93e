"""Read models/run.json, in which training recorded its MLflow run."""

import json
from pathlib import Path

from pipeline.errors import InputError
from pipeline.tracking.mlflow_store import address, connect, experiment_of, hide_credentials, store_error


def read_run_id(run_json: Path) -> str:
    """Return the run's id in models/run.json. Raise InputError if the file is missing or invalid."""
    try:
        described = json.loads(run_json.read_text(encoding="utf-8"))
        run_id = described["run_id"]
    except FileNotFoundError:
        raise InputError(f"{run_json}: no such file; run `dvc repro train` first") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{run_json}: does not name an MLflow run ({error!r}); run `dvc repro -f train`") from None
    if not isinstance(run_id, str) or not run_id:
        raise InputError(f"{run_json}: run_id must be a run's id, not {run_id!r}; run `dvc repro -f train`")
    return run_id


def require_run(root: Path, run_json: Path) -> None:
    """Check that the store has the run that training recorded in models/run.json. Write nothing.

    Raises:
        InputError: It does not have it, or the file or the store cannot be read.
    """
    run_id, uri = read_run_id(run_json), address(root)
    client = connect(uri)
    try:
        found = experiment_of(client, run_id)
    except Exception as error:  # noqa: BLE001 - every backend raises its own
        raise store_error(uri, error) from None
    if found is None:
        raise InputError(
            f"{hide_credentials(uri)}: has no run {run_id}, which {run_json} names, so the lineage of the model would "
            "be broken. Nothing was written. Set MLFLOW_TRACKING_URI to the store that recorded the training, or "
            "record it in this store: `dvc repro -f train`, then `dvc repro`."
        )
