"""Registered versions of a model: which one an alias names now, and its ONNX file."""

import re
import tempfile
from collections.abc import Hashable
from pathlib import Path

from pipeline.errors import InputError
from pipeline.serving.http.loaded_model import Found
from pipeline.tracking.mlflow_store import address, brief, connect, redacted

SCHEME = "models:/"
ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")
ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class Registered:
    """A source of models for the service: models:/NAME@ALIAS follows the alias, models:/NAME/VERSION stays."""

    def __init__(self, root: Path, model: str) -> None:
        """Raises InputError for another form of address."""
        found = ADDRESS.fullmatch(model)
        if not found:
            raise InputError(
                f"--model {model}: a registered model is models:/NAME@ALIAS, such as models:/ganline-digits@champion, or models:/NAME/VERSION"
            )
        self.model = model
        self.name, self.alias, self.fixed = found["name"], found["alias"], found["version"]
        self.uri = address(root)
        self.client = connect(self.uri)

    def mark(self) -> Hashable:
        """The version's number."""
        return self.version()

    def version(self) -> str:
        """Raises InputError where there is none, or the store does not answer."""
        from mlflow.exceptions import MlflowException

        try:
            found = (
                self.client.get_model_version(self.name, self.fixed)
                if self.fixed
                else self.client.get_model_version_by_alias(self.name, self.alias)
            )
        except MlflowException as error:
            if error.error_code not in ABSENT:
                raise self.unusable(error) from None
            way_out = (
                "see `mlflow ui` for what there is"
                if self.fixed
                else f"`ganline promote` sets the alias; models:/{self.name}/1 names a version"
            )
            raise InputError(
                f"{self.model}: {redacted(self.uri)} has no such model ({brief(error)}); {way_out}"
            ) from None
        except Exception as error:  # noqa: BLE001 - every backend raises its own
            raise self.unusable(error) from None
        return str(found.version)

    def fetch(self) -> Found:
        """Downloads the ONNX file of the version that the address names now."""
        import mlflow.artifacts
        from mlflow.models import Model

        version = self.version()
        with tempfile.TemporaryDirectory() as scratch:
            try:
                # Not "models:/...": MLflow would look that up at its global address, which is not ours.
                place = self.client.get_model_version_download_uri(self.name, version)
                if place.startswith(SCHEME):
                    place = self.client.get_logged_model(place.removeprefix(SCHEME)).artifact_location
                folder = mlflow.artifacts.download_artifacts(
                    artifact_uri=place, dst_path=scratch, tracking_uri=self.uri
                )
                content = (Path(folder) / Model.load(folder).flavors["onnx"]["data"]).read_bytes()
            except Exception as error:  # noqa: BLE001 - every backend raises its own
                raise InputError(
                    f"{self.model}: the ONNX file of version {version} cannot be fetched from {redacted(self.uri)} ({brief(error)})"
                ) from None
        return Found(self.name, version, Path(f"{SCHEME}{self.name}/{version}"), content)

    def unusable(self, error: Exception) -> InputError:
        return InputError(
            f"{self.model}: {redacted(self.uri)} does not answer ({brief(error)}); start the store, or correct MLFLOW_TRACKING_URI"
        )
