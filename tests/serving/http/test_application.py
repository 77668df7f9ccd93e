"""Limits of the service and its OpenAPI document: hostile requests, tokens, metrics, log."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from prometheus_client.parser import text_string_to_metric_families
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.waiting import WAIT_SECONDS, wait_until


@pytest.fixture(scope="module")
def plain(styled_graph: Any, running: Any) -> Iterator[Any]:
    with running(styled_graph.path, max_images=20, max_body=4096, timeout=WAIT_SECONDS) as service:
        yield service


@pytest.fixture(scope="module")
def impatient(styled_graph: Any, running: Any) -> Iterator[Any]:
    with running(styled_graph.path, timeout=1) as service:
        yield service


@pytest.fixture(scope="module")
def guarded(plain_graph: Any, running: Any) -> Iterator[str]:
    with running(plain_graph.path, token="s3cret") as (url, _):
        yield url


def test_responses_follow_the_openapi_document(plain: Any) -> None:
    check_responses(plain.url, examples=20)


LONGEST_REQUEST_LINE = 60_000


def check_responses(url: str, examples: int) -> None:
    found = schemathesis.openapi.from_url(f"{url}/openapi.json")
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    operations: list[Any] = [result.ok() for result in found.get_all_operations()]  # type: ignore[union-attr]
    assert len(operations) == 17
    for operation in operations:
        for mode in GenerationMode:
            if mode is GenerationMode.NEGATIVE and not (operation.query or operation.body):
                continue

            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def answered(case: Any) -> None:
                # Longer request lines are refused before the application sees them.
                assume(len(case.as_curl_command()) < LONGEST_REQUEST_LINE)
                case.validate_response(case.call(), checks=checks)

            answered()


POST = b"POST /v2/models/generator/infer HTTP/1.1\r\nHost: x\r\n"


def raw(url: str, sent: bytes) -> bytes:
    """Send bytes and return the response until the server closes the connection."""
    parts = urlsplit(url)
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=WAIT_SECONDS) as connection:
        try:
            connection.sendall(sent)
            while more := connection.recv(65536):
                received += more
        except (ConnectionResetError, BrokenPipeError):
            pass
    return received


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\xff\x16\x03\x01", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"GET /image.png?seed=1 HTTP/1.1\r\nHost: x\r\nBad header\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000, b"431"),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % k for k in range(20_000)), b"431"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", b"400"),
        (
            POST + b"Connection: close\r\nContent-Length: 99999999999\r\n\r\n",
            b"413",
        ),
        (
            POST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1388\r\n" + b" " * 5000,
            b"413",
        ),
        (POST + b"Content-Length: -5\r\n\r\n", b"400"),
        (
            POST + b"Connection: close\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
            b"415",
        ),
        (b"DELETE /image.png HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"405"),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
        (b"GET /%ff%fe/%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
        (b"GET /v2/models/%F0%9F%98%80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
    ],
)
def test_malformed_requests_get_4xx_as_json_with_a_request_id(plain: Any, sent: bytes, status: bytes) -> None:
    head, _, content = raw(plain.url, sent).partition(b"\r\n\r\n")
    assert head[9:12] == status
    assert json.loads(content).keys() == {"error"}
    assert b"content-type: application/json" in head.lower()
    assert re.search(rb"x-request-id: \w{32}", head)
    assert b"connection: close" in head.lower()
    assert httpx.get(f"{plain.url}/v2/health/live").status_code == 200


def test_an_incomplete_body_gets_408(impatient: Any) -> None:
    assert raw(impatient.url, POST + b"Connection: close\r\nContent-Length: 12\r\n\r\nshort")[9:12] == b"408"


def test_requests_whose_clients_have_left_are_dropped(
    plain_graph: Any, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    z = [0.5] * 24 * 100
    body = json.dumps({"inputs": [{"name": "z", "datatype": "FP32", "shape": [100, 24], "data": z}]}).encode()
    requests = [
        b"GET /image.png?n=100 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /interpolate.gif?n=10&steps=10 HTTP/1.1\r\nHost: x\r\n\r\n",
        POST + b"Content-Length: %d\r\n\r\n" % len(body) + body,
    ]
    with running(plain_graph.path, max_batch=4) as (url, service):
        run, started, go = service.current.run, threading.Event(), threading.Event()

        def wait_and_run(*arguments: Any) -> Any:
            started.set()
            assert go.wait(WAIT_SECONDS)
            return run(*arguments)

        monkeypatch.setattr(service.current, "run", wait_and_run)
        parts = urlsplit(url)
        connections = [socket.create_connection((parts.hostname, parts.port)) for _ in requests]
        for connection, sent in zip(connections, requests, strict=True):
            connection.sendall(sent)
        wait_until(lambda: service.batcher.waiting == 296, "the requests do not arrive")
        for connection in connections:
            connection.close()
        wait_until(lambda: service.batcher.waiting == 0, "the requests are not dropped")
        go.set()
        assert httpx.get(f"{url}/image.png").status_code == 200
        samples = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
        counted = [one for family in samples for one in family.samples if one.name == "ganline_requests_total"]
        assert sum(one.value for one in counted if one.labels["status"] == "499") == 3


def test_idle_and_slow_connections_are_closed(impatient: Any) -> None:
    for sent in (b"", b"GET / HTTP/1.1\r\nHost: "):
        assert raw(impatient.url, sent) == b""


def test_the_token_protects_all_content(guarded: str) -> None:
    right = {"Authorization": "Bearer s3cret"}
    wrong = ("", "Bearer s3cre", "Bearer s3crett", "s3cret", "Basic s3cret", "Bearer \xff")
    for path in (
        "image.png",
        "interpolate.gif",
        "model.json",
        "metrics",
        "docs",
        "openapi.json",
        "v2",
        "v2/models/generator",
        "nothing",
    ):
        for sent in wrong:
            answer = httpx.get(
                f"{guarded}/{path}", headers=[(b"Authorization", sent.encode("latin-1"))] if sent else []
            )
            assert answer.status_code == 401, (path, sent)
        assert httpx.get(f"{guarded}/{path}", headers=right).status_code == (404 if path == "nothing" else 200)
    assert httpx.get(f"{guarded}/image.png").headers["www-authenticate"] == "Bearer"
    for path in ("", "v2/health/live", "v2/health/ready"):
        assert httpx.get(f"{guarded}/{path}").status_code == 200
    assert httpx.get(f"{guarded}/openapi.json", headers=right).json()["security"] == [{"token": []}]


def test_responses_carry_a_valid_request_id(plain: Any) -> None:
    assert httpx.get(f"{plain.url}/v2", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    for odd in ("x" * 65, "a b", '"}'):
        assert len(httpx.get(f"{plain.url}/v2", headers={"X-Request-ID": odd}).headers["x-request-id"]) == 32


def test_metric_labels_never_come_from_clients(plain: Any) -> None:
    for k in range(5):
        httpx.get(f"{plain.url}/secret-{k}")
        httpx.get(f"{plain.url}/v2/models/other-{k}")
    httpx.get(f"{plain.url}/image.png?n=3")
    text = httpx.get(f"{plain.url}/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert next(one.value for one in samples if one.name == "ganline_images_total") >= 3
    routes = {one.labels["route"] for one in samples if one.name == "ganline_requests_total"}
    assert {"none", "/v2/models/{model}", "/image.png"} <= routes
    assert "secret" not in text
    assert next(one.value for one in samples if one.name == "ganline_queue_images") == 0
    (info,) = (one for one in samples if one.name == "ganline_model_info")
    assert info.labels["provider"] == plain.service.current.graph.provider
    assert info.labels["sha256"] == plain.service.current.sha256


def test_the_log_has_one_json_object_per_line(plain: Any, caplog: pytest.LogCaptureFixture) -> None:
    from pipeline.serving.http.json_log import JsonLines

    with caplog.at_level("INFO", "ganline.serve"):
        httpx.get(f"{plain.url}/a%22%0A%7Bb", headers={"X-Request-ID": "this"})
        httpx.get(f"{plain.url}/v2/health/live")
    wait_until(lambda: caplog.records, "no line is logged")
    (line,) = [JsonLines().format(record) for record in caplog.records]
    assert "\n" not in line
    entry = json.loads(line)
    assert entry["time"].endswith("+00:00")
    assert (entry["event"], entry["id"], entry["status"], entry["path"], entry["client"]) == (
        "request",
        "this",
        404,
        '/a"\n{b',
        "127.0.0.1",
    )


def test_bytes_that_are_no_request_are_logged_and_counted(plain: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "ganline.serve"):
        answer = raw(plain.url, b"\x16\x03\x01")
    records: list[Any] = [record for record in caplog.records if record.name == "ganline.serve"]
    (entry,) = [record.fields for record in records]
    assert (entry["status"], entry["client"]) == (400, "127.0.0.1")
    assert entry["id"].encode() in answer
    samples = text_string_to_metric_families(httpx.get(f"{plain.url}/metrics").text)
    counted = [one for family in samples for one in family.samples if one.name == "ganline_requests_total"]
    assert any(one.labels == {"route": "none", "status": "400"} for one in counted)


def test_internal_errors_are_logged_with_traceback_and_reported_by_id(
    plain: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(plain.service.current, "run", lambda *_: 1 / 0)
    answer = httpx.get(f"{plain.url}/image.png", headers={"X-Request-ID": "that"})
    assert answer.status_code == 500
    assert "request id that" in answer.json()["error"]
    assert "ZeroDivisionError" not in answer.text
    assert any(record.exc_info and "division" in str(record.exc_info[1]) for record in caplog.records)
    monkeypatch.undo()
    assert httpx.get(f"{plain.url}/image.png").status_code == 200


def test_the_documents_name_every_endpoint_and_load_nothing_external(plain: Any) -> None:
    paths = httpx.get(f"{plain.url}/openapi.json").json()["paths"]
    page = httpx.get(f"{plain.url}/docs")
    for path in paths:
        assert f"<code>{path}</code>" in page.text
    for answer in (page, httpx.get(f"{plain.url}/")):
        assert "http://" not in answer.text
        assert "https://" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
