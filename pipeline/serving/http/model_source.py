"""The source of the served model, and the hot reload when it holds a newer one."""

import asyncio
import logging
from collections.abc import Hashable
from pathlib import Path
from typing import Protocol

from pipeline.errors import InputError
from pipeline.serving.http.json_log import LOGGER, log
from pipeline.serving.http.loaded_model import LoadedModel, ModelFile, sha256_of
from pipeline.serving.http.prometheus_metrics import Metrics
from pipeline.serving.runtime.generator import read_model
from pipeline.serving.settings import ServeSettings


class Source(Protocol):
    """A place that holds one model at a time."""

    def revision(self) -> Hashable:
        """Return a value that changes with the model; fast.

        Raises InputError if there is no model or the place does not respond.
        """

    def fetch(self) -> ModelFile:
        """Return the current model. Raises InputError as `revision` does."""


class FileSource:
    """An exported generator.onnx, which may be replaced while it is served."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def revision(self) -> Hashable:
        """Return the time, size and inode of the file."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise InputError(
                f"{self.path}: {(error.strerror or 'cannot be read').lower()}. Run `dvc repro` to export it, or choose "
                "another with --model."
            ) from None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def fetch(self) -> ModelFile:
        """Read the file; its version is the start of its checksum."""
        content = read_model(self.path)
        return ModelFile(self.path.stem, sha256_of(content)[:12], self.path, content)


class ModelReloader:
    """Holds the served model and replaces it when the source has a newer one.

    A request reads `current` once and keeps that model, so a swap interrupts no request. The old model is freed when
    the last of its requests is answered.
    """

    def __init__(self, source: Source, settings: ServeSettings, metrics: Metrics) -> None:
        """Open the first model. Raises InputError if it cannot be served."""
        self.source = source
        self.settings = settings
        self.metrics = metrics
        self.last_error = ""
        self.revision = source.revision()
        self.current = self.open(source.fetch())
        metrics.record_model(self.current)

    async def watch(self) -> None:
        """Check for a newer model every `poll` seconds until cancelled."""
        while True:
            await asyncio.sleep(self.settings.poll)
            try:
                await asyncio.to_thread(self.check)
            except Exception:  # noqa: BLE001 - logged with its traceback; the old model stays, the next check may work
                LOGGER.exception("check for a newer model failed", extra={"fields": {"still": self.current.version}})

    def check(self) -> None:
        """Switch to the newer model if there is one and it passes its warm-up.

        If it does not, the error is logged once and the old model stays.
        """
        try:
            if (revision := self.source.revision()) == self.revision:
                return
            file = self.source.fetch()
        except InputError as error:
            if str(error) != self.last_error:
                log(
                    "no newer model can be read", {"reason": str(error), "still": self.current.version}, logging.WARNING
                )
            self.last_error = str(error)
            return
        self.revision, self.last_error = revision, ""
        if (file.version, file.sha256) == (self.current.version, self.current.sha256):
            return
        try:
            self.current = self.open(file)
        except InputError as error:
            self.metrics.swaps.labels("rolled_back").inc()
            log(
                "rolled back",
                {"refused": file.version, "reason": str(error), "still": self.current.version},
                logging.ERROR,
            )
            return
        self.metrics.swaps.labels("served").inc()
        self.metrics.record_model(self.current)
        log("swapped", log_fields(self.current))

    def open(self, file: ModelFile) -> LoadedModel:
        """Open and warm up a model."""
        return LoadedModel(
            file,
            self.settings.max_batch,
            self.settings.provider,
            strict=self.settings.strict_provider,
            tile=self.settings.tile,
        )


def log_fields(loaded: LoadedModel) -> dict[str, object]:
    """Return the fields that describe a model in the log."""
    return {
        "model": loaded.name,
        "version": loaded.version,
        "sha256": loaded.sha256,
        "variant": loaded.graph.metadata.variant,
        "provider": loaded.graph.provider,
        "batch_sizes": loaded.sizes,
    }
