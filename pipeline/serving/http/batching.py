"""Dynamic batching: requests that wait together are drawn together."""

import asyncio
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from pipeline.serving.graph_tensors import Arrays
from pipeline.serving.http.http_error import Refusal
from pipeline.serving.http.loaded_model import Served
from pipeline.serving.http.prometheus_metrics import Metrics
from pipeline.serving.settings import ServeSettings


@dataclass(eq=False)
class Job:
    """Rows to draw, `taken` of which have gone into batches, and what came out of them so far."""

    served: Served
    inputs: Arrays
    outputs: tuple[str, ...]
    n: int
    since: float
    done: "asyncio.Future[Arrays]"
    taken: int = 0
    parts: list[Arrays] = field(default_factory=list)


@dataclass(frozen=True)
class Piece:
    """Rows start .. stop-1 of a job."""

    job: Job
    start: int
    stop: int


class Batcher:
    """A queue of jobs and the one thread that draws them, first come first served.

    A batch starts when the one before is drawn, and `max_batch` images wait or the oldest has waited `max_delay_ms`; at 0 it is what came
    meanwhile. It holds one model's jobs only: those that came before a swap are drawn by the model they came for.
    """

    def __init__(self, settings: ServeSettings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.jobs: deque[Job] = deque()
        self.waiting = 0
        self.seconds_per_image = 0.0
        self.arrived, self.full = asyncio.Event(), asyncio.Event()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="draw")

    async def draw(self, served: Served, inputs: Arrays, outputs: tuple[str, ...] = ("images",)) -> Arrays:
        """The outputs, by name, for inputs whose rows belong together. Raises Refusal when the queue is full or the time is up."""
        n = len(next(iter(inputs.values())))
        if self.jobs and self.waiting + n > self.settings.max_queue:
            raise self.busy(self.waiting)
        loop = asyncio.get_running_loop()
        job = Job(served, inputs, outputs, n, loop.time(), loop.create_future())
        self.jobs.append(job)
        self.waiting += n
        self.arrived.set()
        if self.waiting >= self.settings.max_batch:
            self.full.set()
        try:
            async with asyncio.timeout(self.settings.timeout):
                return await job.done
        except TimeoutError:
            raise Refusal(
                503, f"not drawn within {self.settings.timeout:g} s; ask for fewer images, or again later", 1
            ) from None
        finally:
            self.forget(job)

    def busy(self, images: int) -> Refusal:
        seconds = max(1, math.ceil(images * self.seconds_per_image))
        return Refusal(429, f"{images} images wait already; ask again in {seconds} s", seconds)

    async def work(self) -> None:
        """Draws until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self.gather()
            if not (batch := self.take()):
                continue
            began = time.perf_counter()
            try:
                drawn = await loop.run_in_executor(self.thread, execute, batch)
                self.deliver(batch, drawn, time.perf_counter() - began)
            except Exception as error:  # noqa: BLE001 - whatever ONNX Runtime raises is the requests' to report, and the service goes on
                self.fail(batch, error)

    async def gather(self) -> None:
        """Returns when a batch is due."""
        while not self.jobs:
            self.arrived.clear()
            await self.arrived.wait()
        remaining = self.jobs[0].since + self.settings.max_delay_ms / 1000 - asyncio.get_running_loop().time()
        if self.waiting < self.settings.max_batch and remaining > 0:
            self.full.clear()
            try:
                async with asyncio.timeout(remaining):
                    await self.full.wait()
            except TimeoutError:
                return

    def take(self) -> list[Piece]:
        """The next batch, out of the queue; empty when those who waited have left."""
        if not self.jobs:
            return []
        served, ready = self.jobs[0].served, 0
        for job in self.jobs:
            if job.served is not served or ready >= served.sizes[-1]:
                break
            ready += job.n - job.taken
        room, batch = served.size(ready), []
        while room and self.jobs and self.jobs[0].served is served:
            job = self.jobs[0]
            rows = min(room, job.n - job.taken)
            batch.append(Piece(job, job.taken, job.taken + rows))
            job.taken += rows
            room -= rows
            self.waiting -= rows
            if job.taken == job.n:
                self.jobs.popleft()
        return batch

    def deliver(self, batch: list[Piece], drawn: Arrays, seconds: float) -> None:
        at = 0
        for piece in batch:
            rows = piece.stop - piece.start
            job = piece.job
            job.parts.append({name: drawn[name][at : at + rows] for name in job.outputs})
            at += rows
            if piece.stop == job.n and not job.done.done():
                whole = (
                    job.parts[0]
                    if len(job.parts) == 1
                    else {name: np.concatenate([part[name] for part in job.parts]) for name in job.outputs}
                )
                job.done.set_result(whole)
        self.seconds_per_image = (
            seconds / at if not self.seconds_per_image else 0.9 * self.seconds_per_image + 0.1 * seconds / at
        )
        self.metrics.batch(at, seconds)

    def fail(self, batch: list[Piece], error: Exception) -> None:
        for job in {piece.job for piece in batch}:
            if not job.done.done():
                job.done.set_exception(error)

    def forget(self, job: Job) -> None:
        """Takes what is left of a job that nobody waits for any more out of the queue."""
        if job.taken < job.n and job in self.jobs:
            self.jobs.remove(job)
            self.waiting -= job.n - job.taken

    def close(self) -> None:
        self.thread.shutdown(wait=True, cancel_futures=True)


def execute(batch: list[Piece]) -> Arrays:
    """Runs in the drawing thread. All that any of the jobs wants is computed."""
    served = batch[0].job.served
    inputs = {
        name: np.concatenate([piece.job.inputs[name][piece.start : piece.stop] for piece in batch])
        for name in batch[0].job.inputs
    }
    return served.run(inputs, dict.fromkeys(name for piece in batch for name in piece.job.outputs))
