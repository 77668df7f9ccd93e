"""Champion, previous champion and challenger: aliases of a registered model's versions in MLflow.

Aliases are moved in an order that makes every command idempotent: after a crash between two moves, the same command
leads to the same final state.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.tracking.mlflow_store import SHA256, first_line, hide_credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous_champion", "challenger"
REPLACED, ROLLED_BACK = "ganline.replaced", "ganline.rolled_back"


class Registry:
    """A registered model. Every method raises InputError if the store fails."""

    def __init__(self, client: "MlflowClient", name: str) -> None:
        self.client, self.name = client, name

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the MLflow client."""
        try:
            return getattr(self.client, method)(*arguments, **options)
        except Exception as error:  # noqa: BLE001 - every backend raises its own
            uri = hide_credentials(str(self.client.tracking_uri))
            raise InputError(
                f"{uri}: MLflow's registry failed ({method} of {self.name}: {first_line(error)}). "
                "Check the store and repeat the command."
            ) from None

    def aliases(self) -> dict[str, str]:
        """Return the versions by alias; empty if the model is not registered."""
        if not self.call("search_registered_models", f"name = '{self.name}'"):
            return {}
        return {alias: str(version) for alias, version in self.call("get_registered_model", self.name).aliases.items()}

    def find_version(self, sha256: str) -> str | None:
        """Return the version whose file has this digest; None if there is none."""
        for version in self.call("search_model_versions", f"name = '{self.name}'"):
            if version.tags.get(SHA256) == sha256:
                return str(version.version)
        return None

    def version(self, number: str) -> Any:
        """Return MLflow's description of a version: tags, run_id, source."""
        return self.call("get_model_version", self.name, number)

    def tag(self, number: str, values: Mapping[str, str]) -> None:
        """Set the tags of a version whose values differ."""
        before = self.version(number).tags
        for key, value in values.items():
            if before.get(key) != value:
                self.call("set_model_version_tag", self.name, number, key, value)

    def point(self, alias: str, number: str) -> None:
        """Move an alias to a version, if it is not there already."""
        if self.aliases().get(alias) != number:
            self.call("set_registered_model_alias", self.name, alias, number)

    def promote(self, number: str) -> None:
        """Make a version the champion and the former champion the previous champion. Idempotent."""
        champion = self.aliases().get(CHAMPION)
        if champion == number:
            return
        if champion is not None:
            self.tag(number, {REPLACED: champion})
            self.point(PREVIOUS, champion)
        self.point(CHAMPION, number)

    def roll_back(self) -> tuple[str, str]:
        """Make the previous champion the champion again, and the one before it the previous champion.

        The version that was rolled back is tagged, so it is not promoted again.

        Returns:
            The version that was rolled back, and the new champion.

        Raises:
            InputError: There is no champion, or no previous champion.
        """
        aliases = self.aliases()
        champion, previous = aliases.get(CHAMPION), aliases.get(PREVIOUS)
        if champion is None:
            raise InputError(f"{self.name}: there is no champion yet. `ganline promote` sets one.")
        if previous is None:
            raise InputError(
                f"{self.name}: version {champion} is the first champion, so there is no previous one. "
                "Promote another model or delete the alias in MLflow."
            )
        # If both aliases point to one version, a promotion or rollback was killed between two moves. The version that
        # it was about has recorded which version it replaced.
        bad = champion if champion != previous else self.find_replacement(previous)
        if bad is not None:
            self.tag(bad, {ROLLED_BACK: datetime.now(UTC).isoformat(timespec="seconds")})
        self.point(CHAMPION, previous)
        before = self.version(previous).tags.get(REPLACED)
        if before is not None and before != previous:
            self.point(PREVIOUS, before)
        else:
            self.call("delete_registered_model_alias", self.name, PREVIOUS)
        return bad or previous, previous

    def find_replacement(self, number: str) -> str | None:
        """Return the newest version that replaced a version, or was about to; None if there is none."""
        versions = self.call("search_model_versions", f"name = '{self.name}'")
        replacements = [int(version.version) for version in versions if version.tags.get(REPLACED) == number]
        return str(max(replacements)) if replacements else None

    def download(self, number: str, folder: Path) -> Path:
        """Download a version's ONNX file to `folder` and return its path.

        Raises:
            InputError: The file is missing, or is not the one that was registered.
        """
        import mlflow.artifacts

        version = self.version(number)
        try:
            uri = str(self.client.tracking_uri)
            downloaded = mlflow.artifacts.download_artifacts(
                artifact_uri=version.source, dst_path=str(folder), tracking_uri=uri, registry_uri=uri
            )
            path = Path(downloaded) / "model.onnx"
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except Exception as error:  # noqa: BLE001 - every artifact store raises its own
            raise InputError(
                f"{self.name} version {number}: cannot read the model file from {version.source} "
                f"({first_line(error)}). Check that the artifact store is reachable."
            ) from None
        if digest != version.tags.get(SHA256):
            raise InputError(
                f"{self.name} version {number}: the file at {version.source} is not the one that was registered "
                f"(sha256 {digest[:12]}...). Restore it, or register the model again."
            )
        return path
