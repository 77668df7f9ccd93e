"""Where the served model comes from, and the change to a newer one while requests go on."""

import asyncio
import logging
from collections.abc import Hashable
from pathlib import Path
from typing import Protocol

from pipeline.errors import InputError
from pipeline.serving.http.loaded_model import Found, Served
from pipeline.serving.http.prometheus_metrics import LOGGER, Metrics, log
from pipeline.serving.runtime.generator import read_model
from pipeline.serving.settings import ServeSettings


class Source(Protocol):
    """A place that holds one model at a time."""

    def mark(self) -> Hashable:
        """What changes when the model does; quick. Raises InputError when there is none, or the place does not answer."""

    def fetch(self) -> Found:
        """The model that is there now. Raises InputError likewise."""


class File:
    """An exported generator.onnx, which may be replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> Hashable:
        try:
            found = self.path.stat()
        except OSError as error:
            raise InputError(
                f"{self.path}: {(error.strerror or 'cannot be read').lower()}; run `dvc repro` to make it, or give another with --model"
            ) from None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def fetch(self) -> Found:
        content = read_model(self.path)
        return Found(self.path.stem, Found.digest(content)[:12], self.path, content)


class Keeper:
    """Holds the model that is served and looks for a newer one.

    Requests take `served` once and keep to it, so a swap loses none: the old model goes when the last of its requests is answered.
    """

    def __init__(self, source: Source, settings: ServeSettings, metrics: Metrics) -> None:
        """Raises InputError when the first model cannot be served."""
        self.source = source
        self.settings = settings
        self.metrics = metrics
        self.trouble = ""
        self.mark = source.mark()
        self.served = self.open(source.fetch())
        metrics.serving(self.served)

    async def watch(self) -> None:
        """Looks every `poll` seconds until cancelled."""
        while True:
            await asyncio.sleep(self.settings.poll)
            try:
                await asyncio.to_thread(self.look)
            except Exception:  # noqa: BLE001 - it is logged whole; the old model serves on, and the next look may succeed
                LOGGER.exception("looking for a newer model failed", extra={"fields": {"still": self.served.version}})

    def look(self) -> None:
        """Serves the newer model if there is one and it passes its warm-up. What fails is logged once, and the old one stays."""
        try:
            if (mark := self.source.mark()) == self.mark:
                return
            found = self.source.fetch()
        except InputError as error:
            if str(error) != self.trouble:
                log("no newer model can be read", {"reason": str(error), "still": self.served.version}, logging.WARNING)
            self.trouble = str(error)
            return
        self.mark, self.trouble = mark, ""
        if (found.version, found.sha256) == (self.served.version, self.served.sha256):
            return
        try:
            self.served = self.open(found)
        except InputError as error:
            self.metrics.swaps.labels("rolled_back").inc()
            log(
                "rolled back",
                {"refused": found.version, "reason": str(error), "still": self.served.version},
                logging.ERROR,
            )
            return
        self.metrics.swaps.labels("served").inc()
        self.metrics.serving(self.served)
        log("swapped", describe(self.served))

    def open(self, found: Found) -> Served:
        return Served(
            found,
            self.settings.max_batch,
            self.settings.provider,
            strict=self.settings.strict_provider,
            tile=self.settings.tile,
        )


def describe(served: Served) -> dict[str, object]:
    """What the log says of a model."""
    return {
        "model": served.name,
        "version": served.version,
        "sha256": served.sha256,
        "variant": served.graph.metadata.variant,
        "provider": served.graph.provider,
        "batch_sizes": served.sizes,
    }
