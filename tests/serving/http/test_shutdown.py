"""The end of the service: the port stays open while it drains, and the grace period is kept."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.waiting import WAIT_SECONDS, wait_until


def test_requests_are_served_while_readiness_fails(plain_graph: Any, running_server: Any) -> None:
    with (
        running_server(plain_graph.path, drain_seconds=WAIT_SECONDS, grace_seconds=2 * WAIT_SECONDS) as (url, server),
        httpx.Client() as client,
    ):
        assert client.get(f"{url}/v2/health/ready").headers.get("connection") is None
        server.should_exit = True
        wait_until(lambda: httpx.get(f"{url}/v2/health/ready").status_code == 503, "the service stays ready")
        assert httpx.get(f"{url}/v2/models/generator/ready").status_code == 503
        assert "shutting down" in httpx.get(f"{url}/v2/health/ready").json()["error"]
        assert httpx.get(f"{url}/v2/health/live").status_code == 200
        for session in (client, httpx):
            answer = session.get(f"{url}/image.png")
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        server.force_exit = True  # as a second Ctrl-C does


def test_requests_beyond_the_grace_period_get_503(
    plain_graph: Any, running_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_server(plain_graph.path, grace_seconds=1) as (url, server), ThreadPoolExecutor(1) as pool:
        model = server.service.current
        run, started, go = model.run, threading.Event(), threading.Event()

        def wait_and_run(*arguments: Any) -> Any:
            started.set()
            assert go.wait(WAIT_SECONDS)
            return run(*arguments)

        monkeypatch.setattr(model, "run", wait_and_run)
        pending = pool.submit(httpx.get, f"{url}/image.png")
        assert started.wait(WAIT_SECONDS)
        server.should_exit = True
        answer = pending.result()
        go.set()
    assert answer.status_code == 503
    assert "shutting down" in answer.json()["error"]
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-request-id"]
