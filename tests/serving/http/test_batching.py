"""Dynamic batching: waiting requests share batches, none waits forever, and results are not mixed up."""

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from pipeline.serving.graph_tensors import Arrays
from pipeline.serving.http.batching import Batcher, QueuedRequest, share_batch
from pipeline.serving.http.prometheus_metrics import Metrics
from pipeline.serving.http.request_error import RequestError
from pipeline.serving.settings import ServeSettings
from tests.waiting import WAIT_SECONDS


class Doubler:
    """A model that returns 2 z, records its batches, and can be blocked. `started` is set once it runs."""

    def __init__(self, sizes: tuple[int, ...] = (1, 2, 4, 8), *, held: bool = False) -> None:
        self.sizes = sizes
        self.batches: list[int] = []
        self.started, self.go = threading.Event(), threading.Event()
        if not held:
            self.go.set()

    def batch_size(self, rows: int) -> int:
        return max((size for size in self.sizes if size <= rows), default=self.sizes[0])

    def run(self, inputs: Arrays, outputs: Any) -> Arrays:
        self.started.set()
        assert self.go.wait(WAIT_SECONDS)
        self.batches.append(len(inputs["z"]))
        if (inputs["z"] < 0).any():
            raise RuntimeError("negative")
        return dict.fromkeys(outputs, 2 * inputs["z"])


def rows(*values: float) -> Arrays:
    return {"z": np.array(values, dtype=np.float32).reshape(-1, 1)}


async def draw(batcher: Batcher, model: Any, *values: float) -> list[float]:
    drawn: list[float] = (await batcher.run(model, rows(*values), ("images",)))["images"].ravel().tolist()
    return drawn


async def wait_for_queue(batcher: Batcher, waiting: int) -> None:
    """Wait until so many rows are in the queue."""
    async with asyncio.timeout(WAIT_SECONDS):
        while batcher.waiting != waiting:
            await asyncio.sleep(0.005)


def test_waiting_requests_share_batches() -> None:
    async def main() -> None:
        metrics = Metrics()
        batcher = Batcher(ServeSettings(max_batch=8, max_delay_ms=20, max_queue=40, timeout=WAIT_SECONDS), metrics)
        worker = asyncio.create_task(batcher.run_forever())
        model = Doubler()
        answers = await asyncio.gather(*(draw(batcher, model, k, k + 100) for k in range(13)))
        assert answers == [[2 * k, 2 * k + 200] for k in range(13)], "each request gets its own results"
        assert model.batches == [8, 8, 8, 2]
        model.batches.clear()
        assert await draw(batcher, model, *range(19)) == [2 * k for k in range(19)], (
            "large requests are split and joined"
        )
        assert model.batches == [8, 8, 2, 1]
        assert b"ganline_images_total 45.0" in metrics.text()

        others = Doubler()
        mixed = await asyncio.gather(*(draw(batcher, one, k) for k, one in enumerate([model, model, others, model])))
        assert mixed == [[0], [2], [4], [6]]
        assert others.batches == [1], "models never share a batch"

        model.batches.clear()
        results = await asyncio.gather(draw(batcher, model, 1), draw(batcher, model, -1), return_exceptions=True)
        assert all(isinstance(one, RuntimeError) for one in results)
        assert await draw(batcher, model, 5) == [10], "a failure affects its own batch only"
        assert batcher.waiting == 0
        worker.cancel()
        batcher.close()

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_result_that_is_not_finite_is_an_error_of_its_request_only() -> None:
    async def main() -> None:
        model = Doubler()
        batcher = Batcher(ServeSettings(max_batch=4, max_delay_ms=10_000, timeout=WAIT_SECONDS), Metrics())
        worker = asyncio.create_task(batcher.run_forever())
        good, bad, other = await asyncio.gather(
            draw(batcher, model, 1.0),
            draw(batcher, model, 2.0, 3e38),
            draw(batcher, model, 3.0),
            return_exceptions=True,
        )
        assert model.batches == [4]
        assert (good, other) == ([2.0], [6.0])
        assert isinstance(bad, RequestError)
        assert (bad.status, "not finite for this input" in bad.message) == (400, True)
        worker.cancel()
        batcher.close()

    asyncio.run(main())


def test_a_full_queue_rejects_with_retry_after() -> None:
    async def main() -> None:
        batcher = Batcher(ServeSettings(max_batch=8, max_delay_ms=0, max_queue=10, timeout=WAIT_SECONDS), Metrics())
        worker = asyncio.create_task(batcher.run_forever())
        slow = Doubler(held=True)
        first = asyncio.create_task(draw(batcher, slow, *range(8)))
        await asyncio.to_thread(slow.started.wait, WAIT_SECONDS)
        waiting = asyncio.create_task(draw(batcher, slow, *range(10)))
        await wait_for_queue(batcher, 10)
        with pytest.raises(RequestError, match="10 images are already waiting") as refused:
            await draw(batcher, slow, 1)
        assert refused.value.status == 429
        assert refused.value.headers["Retry-After"] == "1"
        slow.go.set()
        assert await first == [2 * k for k in range(8)]
        assert await waiting == [2 * k for k in range(10)]
        assert await draw(batcher, slow, 1) == [2]
        worker.cancel()
        batcher.close()

    asyncio.run(main())


def test_small_requests_do_not_wait_behind_large_ones() -> None:
    async def main() -> None:
        batcher = Batcher(ServeSettings(max_batch=8, max_delay_ms=0, max_queue=200, timeout=WAIT_SECONDS), Metrics())
        worker = asyncio.create_task(batcher.run_forever())
        model = Doubler(held=True)
        large = [asyncio.create_task(draw(batcher, model, *range(40))) for _ in range(3)]
        await asyncio.to_thread(model.started.wait, WAIT_SECONDS)
        small = [asyncio.create_task(draw(batcher, model, k)) for k in range(3)]
        await wait_for_queue(batcher, 3 * 40 - 8 + 3)
        model.go.set()
        assert await asyncio.gather(*small) == [[0], [2], [4]]
        assert len(model.batches) <= 8, "in the order of arrival they would wait for 15 batches"
        assert await asyncio.gather(*large) == [[2 * k for k in range(40)]] * 3
        assert sum(model.batches) == 3 * 40 + 3
        worker.cancel()
        batcher.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("room", "waiting", "shares"),
    [
        (8, [3, 3, 3], [3, 3, 2]),
        (8, [8, 8], [8]),
        (8, [20, 20], [8]),
        (8, [20, 1, 20, 2], [5, 1, 0, 2]),
        (8, [1, 20, 4, 4], [1, 4, 3]),
        (2, [9, 1, 1], [1, 1]),
        (1, [9, 1], [0, 1]),
    ],
)
def test_large_requests_share_a_batch_with_small_ones(room: int, waiting: list[int], shares: list[int]) -> None:
    requests: list[Any] = [QueuedRequest(None, {}, (), n, 0.0, None) for n in waiting]  # type: ignore[arg-type]
    found = dict(share_batch(room, requests, turn=0))
    assert [found.get(request, 0) for request in requests] == [*shares, *[0] * (len(waiting) - len(shares))]
    assert sum(found.values()) == min(room, sum(waiting))


def test_large_requests_advance_in_batches_of_one() -> None:
    requests: list[Any] = [QueuedRequest(None, {}, (), n, 0.0, None) for n in (9, 1)]  # type: ignore[arg-type]
    assert share_batch(1, requests, turn=1) == [(requests[0], 1)]


def test_retry_after_is_below_the_timeout() -> None:
    batcher = Batcher(ServeSettings(timeout=30), Metrics())
    for seconds_per_image, retry_after in ((0.0, 1), (0.001, 1), (0.015, 15), (0.225, 29)):
        batcher.seconds_per_image = seconds_per_image
        assert batcher.overload(1000).retry_after == retry_after
    batcher.close()


def test_requests_that_timed_out_or_were_cancelled_are_not_computed() -> None:
    async def main() -> None:
        batcher = Batcher(ServeSettings(max_batch=4, max_delay_ms=0, max_queue=40, timeout=0.2), Metrics())
        worker = asyncio.create_task(batcher.run_forever())
        slow = Doubler(held=True)
        started = asyncio.create_task(draw(batcher, slow, 1))
        await asyncio.to_thread(slow.started.wait, WAIT_SECONDS)
        left = asyncio.create_task(draw(batcher, slow, *range(9)))
        late = asyncio.create_task(draw(batcher, slow, 3))
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(RequestError, match=r"not finished within 0\.2 s") as refused:
            await late
        assert refused.value.status == 503
        with pytest.raises(RequestError):
            await started
        assert batcher.waiting == 0
        slow.go.set()
        assert await draw(batcher, slow, 7) == [14]
        assert slow.batches == [1, 1], "only the running batch and the new request"
        worker.cancel()
        batcher.close()

    asyncio.run(main())
