"""Log ONNX files as MLflow models and register them."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.tracking.mlflow_store import SHA256, is_server

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX file to be registered.

    Attributes:
        signature: Content of signature.json: "inputs" and "outputs", each with name, dtype and shape.
        sha256: Digest of the file.
        tags: Tags of the model and of the version.
        files: Files that are stored next to the model.
    """

    path: Path
    signature: Mapping[str, Any]
    sha256: str
    tags: Mapping[str, str]
    files: tuple[Path, ...] = ()


def register(client: "MlflowClient", experiment: str, run_id: str, name: str, model: OnnxModel) -> str:
    """Log the model in a run and register it as `name`; return the version.

    If a version with the same digest exists, return that one. This does not use MLflow's `log_model`, which depends on
    global state.
    """
    import mlflow.onnx
    import onnx
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model

    create_registered_model(client, name)
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get(SHA256) == model.sha256:
            return str(version.version)
    tags = {SHA256: model.sha256, **model.tags}
    logged = client.create_logged_model(
        experiment, name=model.path.stem, source_run_id=run_id, tags=tags, model_type="generator"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        mlflow.onnx.save_model(
            onnx.load(model.path),
            folder,
            mlflow_model=Model(
                artifact_path=logged.artifact_location,
                run_id=run_id,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
            ),
            signature=mlflow_signature(model.signature),
            # Without this MLflow starts a process that loads the model to infer the requirements.
            pip_requirements=mlflow.onnx.get_default_pip_requirements(),
            metadata=dict(model.tags),
            save_as_external_data=False,
        )
        for file in model.files:
            (folder / file.name).write_bytes(file.read_bytes())
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    # MLflow resolves "models:/..." of a database through its global address, which is not set here.
    source = f"models:/{logged.model_id}" if is_server(client.tracking_uri) else logged.artifact_location
    return str(client.create_model_version(name, source, run_id=run_id, tags=tags, model_id=logged.model_id).version)


def create_registered_model(client: "MlflowClient", name: str) -> None:
    """Create a registered model unless it exists."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def mlflow_signature(signature: Mapping[str, Any]) -> "ModelSignature":
    """Return the content of signature.json as MLflow's own type."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    inputs, outputs = (
        Schema([TensorSpec(np.dtype(tensor["dtype"]), tuple(tensor["shape"]), tensor["name"]) for tensor in tensors])
        for tensors in (signature["inputs"], signature["outputs"])
    )
    return ModelSignature(inputs=inputs, outputs=outputs)
