"""Limits of connections: clients that never read, and too many clients."""

import socket
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx

from pipeline.serving.http.connection import SURPLUS
from tests.waiting import WAIT_SECONDS, wait_until


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=WAIT_SECONDS)


def test_a_client_that_does_not_read_is_disconnected_and_a_slow_one_is_not(
    plain_graph: Any, running_server: Any
) -> None:
    page = b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n"
    with running_server(plain_graph.path, timeout=0.5) as (url, server):
        size = len(httpx.get(f"{url}/docs").content)
        count = 3 * 2**23 // size  # more than the buffers of the kernel hold
        with connect(url) as never, connect(url) as slow:
            for client in (never, slow):
                client.sendall(page * count)
            connections = server.server_state.connections
            wait_until(lambda: sum(one.unsent is not None for one in connections) == 2, "no response waits")
            received = 0
            while any(one.client[1] == never.getsockname()[1] for one in connections):
                received += len(slow.recv(2**20))
            while received < count * size:
                received += len(slow.recv(2**20))


def test_connections_beyond_the_limit_get_503_and_idle_ones_make_room(plain_graph: Any, running_server: Any) -> None:
    with running_server(plain_graph.path, max_connections=2) as (url, server):
        connections = server.server_state.connections
        with httpx.Client() as idle, connect(url) as silent:
            assert idle.get(f"{url}/image.png").status_code == 200
            wait_until(lambda: len(connections) == 2, "a connection is missing")
            assert httpx.get(f"{url}/image.png").status_code == 200, "the idle connection is closed"
            wait_until(lambda: len(connections) == 1, "a connection is left")
            with connect(url) as other:
                wait_until(lambda: len(connections) == 2, "a connection is missing")
                refused = httpx.get(f"{url}/image.png")
                assert (refused.status_code, refused.headers["connection"]) == (503, "close")
                assert "over 2 connections are open" in refused.json()["error"]
                assert httpx.get(f"{url}/v2/health/ready").status_code == 200
                wait_until(lambda: len(connections) == 2, "a refused connection is left")
                surplus = [connect(url) for _ in range(SURPLUS + 1)]
                with suppress(ConnectionResetError):
                    assert surplus[-1].recv(1) == b""
                for client in (*surplus, other, silent):
                    client.close()
        wait_until(lambda: not connections, "a connection is left")
        assert httpx.get(f"{url}/image.png").status_code == 200
