"""Registered models as a source for the service."""

import re
import tempfile
from collections.abc import Hashable
from pathlib import Path

from pipeline.errors import InputError
from pipeline.serving.http.loaded_model import ModelFile
from pipeline.tracking.mlflow_store import address, connect, first_line, hide_credentials

SCHEME = "models:/"
ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")
NOT_FOUND = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class RegistrySource:
    """A source for the service: models:/NAME@ALIAS follows the alias, models:/NAME/VERSION is fixed."""

    def __init__(self, root: Path, model: str) -> None:
        """Raise InputError for another form of address."""
        match = ADDRESS.fullmatch(model)
        if not match:
            raise InputError(
                f"--model {model}: a registered model is models:/NAME@ALIAS, such as models:/ganline-digits@champion, "
                "or models:/NAME/VERSION."
            )
        self.model = model
        self.name, self.alias, self.fixed_version = match["name"], match["alias"], match["version"]
        self.uri = address(root)
        self.client = connect(self.uri)

    def revision(self) -> Hashable:
        """Return the number of the version that the address points to.

        Raises InputError if there is none or the store does not respond.
        """
        return self.current_version()

    def current_version(self) -> str:
        """Return the number of the version that the address points to now."""
        from mlflow.exceptions import MlflowException

        try:
            version = (
                self.client.get_model_version(self.name, self.fixed_version)
                if self.fixed_version
                else self.client.get_model_version_by_alias(self.name, self.alias)
            )
        except MlflowException as error:
            if error.error_code not in NOT_FOUND:
                raise self.store_error(error) from None
            advice = (
                "See `mlflow ui` for the existing models"
                if self.fixed_version
                else f"`ganline promote` sets the alias; models:/{self.name}/1 selects a version"
            )
            raise InputError(
                f"{self.model}: no such model in {hide_credentials(self.uri)} ({first_line(error)}). {advice}."
            ) from None
        except Exception as error:  # noqa: BLE001 - every backend raises its own
            raise self.store_error(error) from None
        return str(version.version)

    def fetch(self) -> ModelFile:
        """Download the ONNX file of the version that the address points to now."""
        import mlflow.artifacts
        from mlflow.models import Model

        version = self.current_version()
        with tempfile.TemporaryDirectory() as scratch:
            try:
                # Not "models:/...": MLflow would resolve that at its global address, which may be another store.
                uri = self.client.get_model_version_download_uri(self.name, version)
                if uri.startswith(SCHEME):
                    uri = self.client.get_logged_model(uri.removeprefix(SCHEME)).artifact_location
                folder = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch, tracking_uri=self.uri)
                content = (Path(folder) / Model.load(folder).flavors["onnx"]["data"]).read_bytes()
            except Exception as error:  # noqa: BLE001 - every backend raises its own
                raise InputError(
                    f"{self.model}: cannot download the ONNX file of version {version} from "
                    f"{hide_credentials(self.uri)} ({first_line(error)})."
                ) from None
        return ModelFile(self.name, version, Path(f"{SCHEME}{self.name}/{version}"), content)

    def store_error(self, error: Exception) -> InputError:
        """Return the error for a store that does not respond."""
        return InputError(
            f"{self.model}: {hide_credentials(self.uri)} does not respond ({first_line(error)}). "
            "Start the store, or correct MLFLOW_TRACKING_URI."
        )
