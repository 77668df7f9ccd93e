"""Addresses of registered models: models:/NAME@ALIAS follows an alias, models:/NAME/VERSION is fixed."""

import re
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.tracking.mlflow_store import first_line, hide_credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient

SCHEME = "models:/"
ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")
NOT_FOUND = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class ModelAddress:
    """The address of a registered model.

    Args:
        text: models:/NAME@ALIAS or models:/NAME/VERSION.
        origin: The option or key that gave it, for messages.

    Raises:
        InputError: The address has another form.
    """

    def __init__(self, text: str, origin: str) -> None:
        match = ADDRESS.fullmatch(text)
        if not match:
            raise InputError(
                f"{origin} {text}: a registered model is models:/NAME@ALIAS, such as models:/ganline-digits@champion, "
                "or models:/NAME/VERSION."
            )
        self.text = text
        self.name, self.alias, self.fixed_version = match["name"], match["alias"], match["version"]

    def find_version(self, client: "MlflowClient", uri: str) -> Any:
        """Return MLflow's description of the version that the address points to now.

        Raises:
            InputError: There is none, or the store at `uri` does not respond.
        """
        from mlflow.exceptions import MlflowException

        try:
            return (
                client.get_model_version(self.name, self.fixed_version)
                if self.fixed_version
                else client.get_model_version_by_alias(self.name, self.alias)
            )
        except MlflowException as error:
            if error.error_code not in NOT_FOUND:
                raise self.store_error(uri, error) from None
            advice = (
                "See `mlflow ui` for the existing models"
                if self.fixed_version
                else f"`ganline promote` sets the alias; models:/{self.name}/1 selects a version"
            )
            raise InputError(
                f"{self.text}: no such model in {hide_credentials(uri)} ({first_line(error)}). {advice}."
            ) from None
        except Exception as error:  # noqa: BLE001 - every backend raises its own
            raise self.store_error(uri, error) from None

    def store_error(self, uri: str, error: Exception) -> InputError:
        """Return the error for a store that does not respond."""
        return InputError(
            f"{self.text}: {hide_credentials(uri)} does not respond ({first_line(error)}). "
            "Start the store, or correct MLFLOW_TRACKING_URI."
        )
