"""Dynamic batching: waiting requests share one run of the model."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from pipeline.serving.graph_tensors import Arrays
from pipeline.serving.http.loaded_model import LoadedModel
from pipeline.serving.http.prometheus_metrics import Metrics
from pipeline.serving.http.request_error import RequestError
from pipeline.serving.settings import ServeSettings


@dataclass(eq=False)
class QueuedRequest:
    """Rows to compute.

    Attributes:
        since: When it was queued, in the time of the event loop.
        scheduled: Rows that batches already contain.
        parts: Outputs of finished batches.
    """

    loaded: LoadedModel
    inputs: Arrays
    outputs: tuple[str, ...]
    n: int
    since: float
    result: "asyncio.Future[Arrays]"
    scheduled: int = 0
    parts: list[Arrays] = field(default_factory=list)

    @property
    def remaining(self) -> int:
        """Rows that no batch contains yet."""
        return self.n - self.scheduled


@dataclass(frozen=True)
class BatchSlice:
    """Rows start .. stop-1 of a request, as a part of a batch."""

    request: QueuedRequest
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.stop - self.start


@dataclass(frozen=True)
class SliceResult:
    """The outputs of a slice, and whether all their values are finite."""

    part: BatchSlice
    outputs: Arrays
    finite: bool


class Batcher:
    """The queue of waiting requests, and the one thread that runs the model.

    A batch starts when the previous one is finished and `max_batch` images wait or the oldest request has waited for
    `max_delay_ms`; at 0 it contains what arrived in the meantime. All rows of a batch are for the same model: requests
    from before a swap are computed by the old model. Requests are served in the order of their arrival, but large ones
    fill at most half of a batch while small ones wait (see `share_batch`).
    """

    def __init__(self, settings: ServeSettings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.queue: deque[QueuedRequest] = deque()
        self.waiting = 0
        self.seconds_per_image = 0.0
        self.batches = 0
        self.arrived, self.full = asyncio.Event(), asyncio.Event()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="batch")

    async def run(self, loaded: LoadedModel, inputs: Arrays, outputs: tuple[str, ...]) -> Arrays:
        """Return the outputs by name for inputs of one request.

        Raises RequestError if the queue is full or the time is up.
        """
        n = len(next(iter(inputs.values())))
        if self.queue and self.waiting + n > self.settings.max_queue:
            raise self.overload(self.waiting)
        loop = asyncio.get_running_loop()
        request = QueuedRequest(loaded, inputs, outputs, n, loop.time(), loop.create_future())
        self.queue.append(request)
        self.waiting += n
        self.arrived.set()
        if self.waiting >= self.settings.max_batch:
            self.full.set()
        try:
            async with asyncio.timeout(self.settings.timeout):
                return await request.result
        except TimeoutError:
            raise RequestError(
                503, f"not finished within {self.settings.timeout:g} s. Request fewer images, or try again later.", 1
            ) from None
        finally:
            self.remove(request)

    def overload(self, images: int) -> RequestError:
        """Return the error for a full queue, with the time that its images take, below that of giving up."""
        seconds = max(1, math.ceil(min(images * self.seconds_per_image, self.settings.timeout - 1)))
        return RequestError(429, f"{images} images are already waiting. Try again in {seconds} s.", seconds)

    async def run_forever(self) -> None:
        """Run batches until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self.wait_until_due()
            if not (batch := self.next_batch()):
                continue
            began = time.perf_counter()
            try:
                results = await loop.run_in_executor(self.thread, run_batch, batch)
                self.distribute(results, time.perf_counter() - began)
            except Exception as error:  # noqa: BLE001 - reported to the requests of the batch; the service goes on
                self.fail(batch, error)

    async def wait_until_due(self) -> None:
        """Return when a batch is due."""
        while not self.queue:
            self.arrived.clear()
            await self.arrived.wait()
        remaining = self.queue[0].since + self.settings.max_delay_ms / 1000 - asyncio.get_running_loop().time()
        if self.waiting < self.settings.max_batch and remaining > 0:
            self.full.clear()
            try:
                async with asyncio.timeout(remaining):
                    await self.full.wait()
            except TimeoutError:
                return

    def next_batch(self) -> list[BatchSlice]:
        """Take the next batch out of the queue; empty if the waiting clients have left."""
        if not self.queue:
            return []
        loaded, ready, requests = self.queue[0].loaded, 0, []
        for request in self.queue:
            if request.loaded is not loaded or ready >= loaded.sizes[-1]:
                break
            requests.append(request)
            ready += request.remaining
        room = loaded.batch_size(ready)
        if any(request.remaining > max(1, room // 2) for request in requests):
            requests = [request for request in self.queue if request.loaded is loaded]
        self.batches += 1
        batch = []
        for request, rows in share_batch(room, requests, self.batches % 2):
            batch.append(BatchSlice(request, request.scheduled, request.scheduled + rows))
            request.scheduled += rows
            self.waiting -= rows
            if not request.remaining:
                self.queue.remove(request)
        return batch

    def distribute(self, results: list[SliceResult], seconds: float) -> None:
        """Hand the outputs of a batch to its requests."""
        for result in results:
            request = result.part.request
            request.parts.append(result.outputs)
            if request.result.done():
                continue
            if not result.finite:
                request.result.set_exception(not_finite())
            elif result.part.stop == request.n:
                request.result.set_result(join_parts(request))
        n = sum(result.part.rows for result in results)
        self.seconds_per_image = (
            seconds / n if not self.seconds_per_image else 0.9 * self.seconds_per_image + 0.1 * seconds / n
        )
        self.metrics.record_batch(n, seconds)

    def fail(self, batch: list[BatchSlice], error: Exception) -> None:
        """Report an error to all requests of a batch."""
        for request in {part.request for part in batch}:
            if not request.result.done():
                request.result.set_exception(error)

    def remove(self, request: QueuedRequest) -> None:
        """Remove the rest of a request that no client waits for."""
        if request.scheduled < request.n and request in self.queue:
            self.queue.remove(request)
            self.waiting -= request.n - request.scheduled

    def close(self) -> None:
        """Wait for the current batch and stop the thread."""
        self.thread.shutdown(wait=True, cancel_futures=True)


def share_batch(room: int, requests: Sequence[QueuedRequest], turn: int) -> list[tuple[QueuedRequest, int]]:
    """Divide the rows of a batch among requests in the order of their arrival; return the rows of each that gets any.

    A large request wants more than half a batch. The first of them gets half, so that it advances; small requests come
    next; the rest is for large ones again. `turn` alternates 0 and 1, which decides in batches of odd size.
    """
    half = max(1, room // 2)
    large = [request for request in requests if request.remaining > half]
    if not large or large[0] is requests[-1]:
        order = [(request, room) for request in requests]
    else:
        small = [request for request in requests if request.remaining <= half]
        order = [(large[0], (room + turn) // 2), *((request, room) for request in [*small, *large])]
    rows: dict[QueuedRequest, int] = {}
    for request, most in order:
        taken = min(room, most, request.remaining - rows.get(request, 0))
        if taken:
            rows[request] = rows.get(request, 0) + taken
            room -= taken
        if not room:
            break
    return list(rows.items())


def join_parts(request: QueuedRequest) -> Arrays:
    """Return the outputs of a finished request."""
    if len(request.parts) == 1:
        return request.parts[0]
    return {name: np.concatenate([part[name] for part in request.parts]) for name in request.outputs}


def not_finite() -> RequestError:
    """Return the error for an input that the model has no valid result for."""
    return RequestError(
        400,
        "the model returns values that are not finite for this input. Choose another input (latents are about standard "
        "normal), or export the model again.",
    )


def run_batch(batch: list[BatchSlice]) -> list[SliceResult]:
    """Compute all outputs that any of the requests needs; called in the batch thread."""
    loaded = batch[0].request.loaded
    inputs = {
        name: np.concatenate([part.request.inputs[name][part.start : part.stop] for part in batch])
        for name in batch[0].request.inputs
    }
    outputs = loaded.run(inputs, dict.fromkeys(name for part in batch for name in part.request.outputs))
    finite = all(np.isfinite(rows).all() for rows in outputs.values())
    results, at = [], 0
    for part in batch:
        own = {name: outputs[name][at : at + part.rows] for name in part.request.outputs}
        results.append(SliceResult(part, own, finite or all(np.isfinite(rows).all() for rows in own.values())))
        at += part.rows
    return results
