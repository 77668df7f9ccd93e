"""Champion, previous champion and challenger: aliases of a registered model's versions in MLflow.

Moves are ordered so that after a kill between any two of them the same command, run again, ends where it would have ended.
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
    """One registered model. Every verb raises InputError when the store fails."""

    def __init__(self, client: "MlflowClient", name: str) -> None:
        self.client, self.name = client, name

    def call(self, verb: str, *arguments: Any, **named: Any) -> Any:
        try:
            return getattr(self.client, verb)(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - every backend raises its own
            uri = hide_credentials(str(self.client.tracking_uri))
            raise InputError(
                f"{uri}: MLflow's registry failed ({verb} of {self.name}: {first_line(error)}); mend the store and repeat"
            ) from None

    def aliases(self) -> dict[str, str]:
        """Versions by alias; none where the model is not registered at all."""
        found = self.call("search_registered_models", f"name = '{self.name}'")
        if not found:
            return {}
        return {alias: str(version) for alias, version in self.call("get_registered_model", self.name).aliases.items()}

    def version_of(self, sha256: str) -> str | None:
        """The version that holds the file of this digest."""
        for version in self.call("search_model_versions", f"name = '{self.name}'"):
            if version.tags.get(SHA256) == sha256:
                return str(version.version)
        return None

    def version(self, number: str) -> Any:
        """MLflow's description of a version: tags, run_id, source."""
        return self.call("get_model_version", self.name, number)

    def tag(self, number: str, values: Mapping[str, str]) -> None:
        """Sets the tags that are not yet as they should be."""
        before = self.version(number).tags
        for key, value in values.items():
            if before.get(key) != value:
                self.call("set_model_version_tag", self.name, number, key, value)

    def point(self, alias: str, number: str) -> None:
        """Moves an alias, unless it is there already."""
        if self.aliases().get(alias) != number:
            self.call("set_registered_model_alias", self.name, alias, number)

    def promote(self, number: str) -> None:
        """`previous_champion` <- champion, `champion` <- this version; nothing where it is the champion."""
        champion = self.aliases().get(CHAMPION)
        if champion == number:
            return
        if champion is not None:
            self.tag(number, {REPLACED: champion})
            self.point(PREVIOUS, champion)
        self.point(CHAMPION, number)

    def roll_back(self) -> tuple[str, str]:
        """`champion` <- previous_champion, which becomes the one before it; returns the versions before and after.

        The version that is taken back is tagged, so that it is not promoted again. Raises InputError where there is nothing to go back to.
        """
        aliases = self.aliases()
        champion, previous = aliases.get(CHAMPION), aliases.get(PREVIOUS)
        if champion is None:
            raise InputError(f"{self.name}: has no champion yet; `ganline promote` makes one")
        if previous is None:
            raise InputError(
                f"{self.name}: version {champion} is the first champion, there is none to go back to; promote another, or delete the alias by hand"
            )
        # The same version twice: a promotion or a rollback was killed halfway, and the version it was about has recorded whom it replaced.
        bad = champion if champion != previous else self.replacing(previous)
        if bad is not None:
            self.tag(bad, {ROLLED_BACK: datetime.now(UTC).isoformat(timespec="seconds")})
        self.point(CHAMPION, previous)
        before = self.version(previous).tags.get(REPLACED)
        if before is not None and before != previous:
            self.point(PREVIOUS, before)
        else:
            self.call("delete_registered_model_alias", self.name, PREVIOUS)
        return bad or previous, previous

    def replacing(self, number: str) -> str | None:
        """The newest version that replaced this one, or was about to."""
        found = [
            int(v.version)
            for v in self.call("search_model_versions", f"name = '{self.name}'")
            if v.tags.get(REPLACED) == number
        ]
        return str(max(found)) if found else None

    def download(self, number: str, folder: Path) -> Path:
        """The version's ONNX file, put below `folder`. Raises InputError where it is gone, or is not the file that was registered."""
        import mlflow.artifacts

        version = self.version(number)
        try:
            uri = str(self.client.tracking_uri)
            made = Path(
                mlflow.artifacts.download_artifacts(
                    artifact_uri=version.source, dst_path=str(folder), tracking_uri=uri, registry_uri=uri
                )
            )
            path = made / "model.onnx"
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except Exception as error:  # noqa: BLE001 - every artifact store raises its own
            raise InputError(
                f"{self.name} version {number}: its file cannot be read from {version.source} ({first_line(error)}); mend the store"
            ) from None
        if digest != version.tags.get(SHA256):
            raise InputError(
                f"{self.name} version {number}: the file at {version.source} is not the one that was registered (sha256 {digest[:12]}...)"
            )
        return path
