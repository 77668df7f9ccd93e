"""Registered models as a source for the service."""

import tempfile
from collections.abc import Hashable
from pathlib import Path

from pipeline.errors import InputError
from pipeline.serving.http.loaded_model import ModelFile
from pipeline.tracking.mlflow_store import address, connect, first_line, hide_credentials
from pipeline.tracking.model_address import SCHEME, ModelAddress


class RegistrySource:
    """A source for the service: models:/NAME@ALIAS follows the alias, models:/NAME/VERSION is fixed."""

    def __init__(self, root: Path, model: str) -> None:
        """Raise InputError for another form of address."""
        self.model, self.address = model, ModelAddress(model, "--model")
        self.uri = address(root)
        self.client = connect(self.uri)

    def revision(self) -> Hashable:
        """Return the number of the version that the address points to.

        Raises InputError if there is none or the store does not respond.
        """
        return self.current_version()

    def current_version(self) -> str:
        """Return the number of the version that the address points to now."""
        return str(self.address.find_version(self.client, self.uri).version)

    def fetch(self) -> ModelFile:
        """Download the ONNX file of the version that the address points to now."""
        import mlflow.artifacts
        from mlflow.models import Model

        version = self.current_version()
        with tempfile.TemporaryDirectory() as scratch:
            try:
                # Not "models:/...": MLflow would resolve that at its global address, which may be another store.
                uri = self.client.get_model_version_download_uri(self.address.name, version)
                if uri.startswith(SCHEME):
                    uri = self.client.get_logged_model(uri.removeprefix(SCHEME)).artifact_location
                folder = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch, tracking_uri=self.uri)
                content = (Path(folder) / Model.load(folder).flavors["onnx"]["data"]).read_bytes()
            except Exception as error:  # noqa: BLE001 - every backend raises its own
                raise InputError(
                    f"{self.model}: cannot download the ONNX file of version {version} from "
                    f"{hide_credentials(self.uri)} ({first_line(error)})."
                ) from None
        name = self.address.name
        return ModelFile(name, version, Path(f"{SCHEME}{name}/{version}"), content)
