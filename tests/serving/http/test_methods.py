"""HEAD, methods that are not allowed, other origins, and revalidation."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest


@pytest.fixture(scope="module")
def started(plain_graph: Any, running: Any) -> Iterator[Any]:
    with running(plain_graph.path, token="s3cret", cors_origin=["https://app.example.com"]) as service:
        yield service


@pytest.fixture
def plain(started: Any) -> str:
    url: str = started.url
    return url


@pytest.fixture
def service(started: Any) -> Any:
    return started.service


@pytest.fixture
def client(plain: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=plain, headers={"Authorization": "Bearer s3cret"}) as session:
        yield session


@pytest.mark.parametrize("path", ["/", "/docs", "/v2", "/v2/health/ready", "/image.png?n=3", "/item", "/model.json"])
def test_head_is_get_without_the_body(client: httpx.Client, path: str) -> None:
    head, full = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    ignored = ("date", "server-timing", "x-request-id")
    assert [pair for pair in head.headers.items() if pair[0] not in ignored] == [
        pair for pair in full.headers.items() if pair[0] not in ignored
    ]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/image.png", "GET, HEAD"),
        ("POST", "/v2/health/live", "GET, HEAD"),
        ("GET", "/apply", "POST"),
        ("HEAD", "/apply", "POST"),
        ("PUT", "/v2/models/generator/infer", "POST"),
    ],
)
def test_405_lists_the_allowed_methods(client: httpx.Client, method: str, path: str, allowed: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_pages_of_an_allowed_origin_may_call_the_service(client: httpx.Client, plain: str) -> None:
    allowed, other = ({"Origin": f"https://{name}.example.com"} for name in ("app", "other"))
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,inference-header-content-length",
    }
    path = "/v2/models/generator/infer"
    answer = httpx.options(f"{plain}{path}", headers=allowed | preflight)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, allowed["Origin"])
    assert httpx.options(f"{plain}{path}", headers=other | preflight).status_code == 400
    picture = client.get("/image.png", headers=allowed)
    assert picture.headers["access-control-allow-origin"] == allowed["Origin"]
    assert "X-Model-Version" in picture.headers["access-control-expose-headers"]
    refused = httpx.get(f"{plain}/image.png", headers=allowed)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, allowed["Origin"])
    assert "access-control-allow-origin" not in client.get("/image.png", headers=other).headers


@pytest.mark.parametrize("path", ["/image.png?seed=3&n=2", "/interpolate.gif?n=2&steps=2", "/item", "/item.html"])
def test_an_unchanged_file_is_not_generated_again(
    client: httpx.Client, service: Any, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = client.get(path)
    tag = first.headers["etag"]
    assert (
        tag
        == client.get(path).headers["etag"]
        != client.get(f"{path}{'&' if '?' in path else '?'}seed=4").headers["etag"]
    )
    monkeypatch.setattr(service.batcher, "run", None)
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}'):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert {name: again.headers[name] for name in ("etag", "cache-control", "x-model-version")} == {
            name: first.headers[name] for name in ("etag", "cache-control", "x-model-version")
        }
    monkeypatch.undo()
    for other in ('"other"', "", tag[:-2]):
        assert client.get(path, headers={"If-None-Match": other}).content == first.content
    monkeypatch.setattr(service.current, "sha256", "0" * 64)
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200
