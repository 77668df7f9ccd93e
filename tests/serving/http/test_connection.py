"""Limits of connections: chunked bodies, clients that never read, and too many clients."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from pipeline.serving.http.connection import SURPLUS
from tests.waiting import WAIT_SECONDS, wait_until


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=WAIT_SECONDS)


@pytest.fixture(scope="module")
def plain(plain_graph: Any, running: Any) -> Iterator[str]:
    with running(plain_graph.path, max_body=4096) as (url, _):
        yield url


BODY = json.dumps({"inputs": [{"name": "z", "datatype": "FP32", "shape": [1, 24], "data": [0.5] * 24}]}).encode()
CHUNKED = b"POST /v2/models/generator/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = b"x" * 2**20


def chunks(body: bytes, size: int, extension: bytes = b"") -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts)


def respond(url: str, sent: bytes) -> tuple[int, bytes]:
    """Send bytes and return status and body of the response."""
    with connect(url) as connection:
        connection.sendall(sent)
        response = HTTPResponse(connection)
        response.begin()
        return response.status, response.read()


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (chunks(BODY, 5, b";name=value") + b"0\r\n\r\n", 200, b"outputs"),
        (chunks(BODY, 5) + b"0\r\nInference-Header-Content-Length: 5\r\n\r\n", 200, b"outputs"),
        (chunks(BODY.ljust(4096), 7) + b"0\r\n\r\n", 200, b"outputs"),
        (chunks(BODY.ljust(4097), 7) + b"0\r\n\r\n", 413, b"a body may have at most 4096 bytes, decompressed"),
        (chunks(BODY[:9], 1, b";" + LONG), 400, b"chunk extensions or trailers are too long"),
        (chunks(BODY, 5) + b"0\r\n" + b"Name: %s\r\n" % LONG * 9, 400, b"chunk extensions or trailers are too long"),
    ],
)
def test_chunk_extensions_and_trailers_are_no_part_of_the_body(
    plain: str, body: bytes, status: int, words: bytes
) -> None:
    answer = respond(plain, CHUNKED + body)
    assert answer[0] == status
    assert words in answer[1]


def test_the_rest_of_a_refused_body_is_read_for_a_limited_time(plain_graph: Any, running_server: Any) -> None:
    with running_server(plain_graph.path, max_body=4096, timeout=0.5) as (url, server), connect(url) as connection:
        connection.sendall(CHUNKED + b"2000\r\n" + b" " * 8192)
        assert b"413" in connection.recv(4096)
        wait_until(lambda: not server.server_state.connections, "the connection stays open")


def test_a_client_that_does_not_read_is_disconnected(
    plain_graph: Any, running_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    page = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with running_server(plain_graph.path, timeout=0.3) as (url, server):
        size = len(httpx.get(url).content)
        connections = server.server_state.connections
        with connect(url) as client:
            client.sendall(page * (2**23 // size))  # responses of more bytes than the buffers of the kernel hold
            wait_until(lambda: any(one.unsent is not None for one in connections), "no response waits")
            wait_until(lambda: not connections, "the connection stays open")
    assert "response not read" in [record.message for record in caplog.records]
    assert all(record.levelname != "ERROR" for record in caplog.records), "the next request of the pipeline failed"


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
