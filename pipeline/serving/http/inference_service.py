"""State that all endpoints share: the current model, its queue, and the limits."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from pipeline.serving.http.batching import Batcher
from pipeline.serving.http.loaded_model import LoadedModel
from pipeline.serving.http.model_reloader import ModelReloader
from pipeline.serving.http.model_source import Source
from pipeline.serving.http.prometheus_metrics import Metrics
from pipeline.serving.http.request_error import RequestError
from pipeline.serving.settings import ServeSettings


class InferenceService:
    """Opens the model of a source; within `running` it computes requests and checks for newer models.

    Attributes:
        draining: The service is shutting down: it is not ready, and every response closes its connection.
    """

    def __init__(self, source: Source, settings: ServeSettings) -> None:
        """Raise InputError if there is no model that can be served."""
        self.settings = settings
        self.metrics = Metrics()
        self.reloader = ModelReloader(source, settings, self.metrics)
        self.batcher = Batcher(settings, self.metrics)
        self.reserved = 0
        self.draining = False
        self.metrics.watch_queue(lambda: self.batcher.waiting)

    @property
    def current(self) -> LoadedModel:
        """The model in use. A request reads it once."""
        return self.reloader.current

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the queue and the hot reload."""
        tasks = [asyncio.create_task(self.batcher.run_forever()), asyncio.create_task(self.reloader.watch())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            self.batcher.close()

    def model(self, name: str, version: str | None = None) -> LoadedModel:
        """Return the model of that name. Raises RequestError (404) for another name or version."""
        current = self.current
        if name != current.name:
            raise RequestError(404, f"no model {name[:100]!r} here; the served model is {current.name!r}.")
        if version is not None and version != current.version:
            raise RequestError(
                404, f"version {version[:100]!r} of {current.name!r} is not served; {current.version!r} is."
            )
        return current

    def check_ready(self) -> None:
        """Raise RequestError (503) if the service is shutting down."""
        if self.draining:
            raise shutting_down()

    def check_images(self, images: int) -> None:
        """Raise RequestError if one request asks for too many images."""
        if images > self.settings.max_images:
            raise RequestError(
                400,
                f"{images} images exceed the limit of {self.settings.max_images} per request. Send several requests.",
            )

    @contextmanager
    def reserve(self, pixels: int, tile: int) -> Iterator[None]:
        """Reserve room in the queue for large images while they are processed; a tile counts as one image.

        Bounds the memory in use. Raises RequestError if there is no room.
        """
        images = math.ceil(pixels / tile**2)
        if self.reserved and self.reserved + images > self.settings.max_queue:
            raise self.batcher.overload(self.reserved)
        self.reserved += images
        try:
            yield
        finally:
            self.reserved -= images


def shutting_down() -> RequestError:
    """Return the error for requests that the shutdown leaves no time for, and for readiness probes."""
    return RequestError(503, "the service is shutting down. Try again; another instance may answer.", 1)
