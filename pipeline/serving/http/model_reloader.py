"""Hot reload: replace the served model when its source holds a newer one."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pipeline.errors import InputError
from pipeline.serving.http.daemon_thread import run_in_daemon_thread
from pipeline.serving.http.json_log import LOGGER, log
from pipeline.serving.http.loaded_model import LoadedModel, ModelFile
from pipeline.serving.http.model_source import Source
from pipeline.serving.http.prometheus_metrics import Metrics
from pipeline.serving.runtime.contract import contract_changes, summarise
from pipeline.serving.runtime.session import usable_cores
from pipeline.serving.settings import ServeSettings

Result = TypeVar("Result")

FETCH_FACTOR = 10
"""Fetching a model may take this many times as long as looking for one."""

ACCEPT = "Restart the service, or start it with --accept-changes, to serve this model."
"""What to do about a model with another contract."""


@dataclass(frozen=True)
class Refused:
    """A newer model that is not served, and why."""

    version: str
    reason: str


class ModelReloader:
    """Holds the served model and replaces it when the source has a newer one.

    A request reads `current` once and keeps that model, so a swap interrupts no request. The old model is freed when
    the last of its requests is answered.

    Attributes:
        current: The served model.
        refused: The model in the source, if it is not served.
        unanswered: Calls of the source in a row that did not return in time. Each doubles the time of the next, so
            that few threads wait for a source that hangs.
    """

    def __init__(self, source: Source, settings: ServeSettings, metrics: Metrics) -> None:
        """Open the first model. Raises InputError if it cannot be served."""
        self.source = source
        self.settings = settings
        self.metrics = metrics
        self.threads = settings.threads or usable_cores()
        self.last_error = ""
        self.refused: Refused | None = None
        self.unanswered = 0
        self.revision = source.revision()
        self.current = self.open(source.fetch())
        metrics.record_model(self.current)

    async def watch(self) -> None:
        """Check for a newer model every `poll` seconds until cancelled."""
        while True:
            await asyncio.sleep(self.settings.poll)
            try:
                if (file := await self.look()) is not None:
                    await self.swap(file)
            except Exception:  # noqa: BLE001 - logged with its traceback; the old model stays, the next check may work
                LOGGER.exception("check for a newer model failed", extra={"fields": {"still": self.current.version}})

    async def look(self) -> ModelFile | None:
        """Return the model in the source if it is another one; None if not, or if it cannot be read (logged once)."""
        try:
            revision = await self.ask(self.source.revision, self.settings.timeout)
            if revision == self.revision:
                self.last_error = ""
                return None
            file = await self.ask(self.source.fetch, FETCH_FACTOR * self.settings.timeout)
        except InputError as error:
            if str(error) != self.last_error:
                fields = {"reason": str(error), "still": self.current.version}
                log("no newer model can be read", fields, logging.WARNING)
            self.last_error = str(error)
            return None
        self.revision, self.last_error = revision, ""
        if (file.version, file.sha256) == (self.current.version, self.current.sha256):
            self.refused = None
            return None
        return file

    async def ask(self, method: Callable[[], Result], seconds: float) -> Result:
        """Call a method of the source. Raises InputError if it does not return in time."""
        limit = seconds * 2**self.unanswered
        try:
            result = await run_in_daemon_thread(method, limit)
        except TimeoutError:
            self.unanswered += 1
            raise InputError(
                f"no answer within {limit:g} s from the place of the model. Check its drive, its server or the network."
            ) from None
        except InputError:
            self.unanswered = 0
            raise
        self.unanswered = 0
        return result

    async def swap(self, file: ModelFile) -> None:
        """Serve a model if it passes its warm-up and keeps the contract; otherwise the old model stays."""
        try:
            loaded = await asyncio.to_thread(self.open, file)
        except InputError as error:
            self.refuse(Refused(file.version, str(error)), "rolled back")
            return
        changes = contract_changes(self.current.graph, loaded.graph)
        if changes and not self.settings.accept_changes:
            reason = f"its contract differs: {summarise(changes)}. Clients may fail or get another class. "
            self.refuse(Refused(file.version, f"{reason}{ACCEPT}"), "refused")
            return
        self.current, self.refused = loaded, None
        self.metrics.swaps.labels("served").inc()
        self.metrics.record_model(self.current)
        log("swapped", log_fields(self.current))

    def refuse(self, model: Refused, event: str) -> None:
        """Record that a model is not served."""
        self.refused = model
        self.metrics.swaps.labels(event.replace(" ", "_")).inc()
        fields = {"refused": model.version, "reason": model.reason, "still": self.current.version}
        log(event, fields, logging.ERROR)

    def open(self, file: ModelFile) -> LoadedModel:
        """Open and warm up a model."""
        return LoadedModel(
            file,
            self.settings.max_batch,
            self.settings.provider,
            strict=self.settings.strict_provider,
            tile=self.settings.tile,
            threads=self.threads,
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
