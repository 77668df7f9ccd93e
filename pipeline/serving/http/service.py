"""What all endpoints share: the model that is served now, the queue to it, and the limits."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from pipeline.serving.http.batching import Batcher
from pipeline.serving.http.http_error import Refusal
from pipeline.serving.http.loaded_model import Served
from pipeline.serving.http.model_source import Keeper, Source
from pipeline.serving.http.prometheus_metrics import Metrics
from pipeline.serving.settings import ServeSettings


class Service:
    """Opens the source's model at once; `running` draws, and looks for newer ones."""

    def __init__(self, source: Source, settings: ServeSettings) -> None:
        """Raises InputError when there is no model that can be served."""
        self.settings = settings
        self.metrics = Metrics()
        self.keeper = Keeper(source, settings, self.metrics)
        self.batcher = Batcher(settings, self.metrics)
        self.underway = 0
        self.metrics.watch_queue(lambda: self.batcher.waiting)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.batcher.work()), asyncio.create_task(self.keeper.watch())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            self.batcher.close()

    def named(self, model: str, version: str | None = None) -> Served:
        """The model under that name. Raises Refusal (404) for another, or a version that is not served."""
        now = self.keeper.served
        if model != now.name:
            raise Refusal(404, f"there is no model {model[:100]!r} here; {now.name!r} is served")
        if version is not None and version != now.version:
            raise Refusal(404, f"version {version[:100]!r} of {now.name!r} is not served; {now.version!r} is")
        return now

    def allow(self, images: int) -> None:
        """Raises Refusal for more images than one request may ask for."""
        if images > self.settings.max_images:
            raise Refusal(
                400,
                f"that would be {images} pictures, and one request may ask for {self.settings.max_images}; ask for fewer, several times",
            )

    @contextmanager
    def admitted(self, pixels: int, tile: int) -> Iterator[None]:
        """Holds room for pictures of so many pixels while they are under way: each tile counts as an image of the queue, so that memory has a bound.

        Raises Refusal when there is no room.
        """
        images = math.ceil(pixels / tile**2)
        if self.underway and self.underway + images > self.settings.max_queue:
            raise self.batcher.busy(self.underway)
        self.underway += images
        try:
            yield
        finally:
            self.underway -= images
