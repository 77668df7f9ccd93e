"""Compressed bodies."""

import functools
import gzip
import itertools
import json
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import tritonclient.http as triton

from pipeline.serving.graph_tensors import latents

LARGEST = 2**16
compressed = functools.partial(gzip.compress, mtime=0)  # the same bytes in all workers: they are names of tests
BOMB = compressed(bytes(2**24))


@pytest.fixture(scope="module")
def plain(plain_graph: Any, running: Any) -> Iterator[str]:
    with running(plain_graph.path, max_body=LARGEST) as (url, _):
        yield url


def body(size: int = 0) -> bytes:
    inputs = [{"name": "z", "datatype": "FP32", "shape": [1, 24], "data": [0.5] * 24}]
    return json.dumps({"inputs": inputs}).encode().ljust(size)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_triton_sends_compressed_tensors(plain: str, encoding: str) -> None:
    with triton.InferenceServerClient(plain.removeprefix("http://")) as client:
        z = triton.InferInput("z", [3, 24], "FP32").set_data_from_numpy(latents(1, 0, 3, 24))
        sent = [client.infer("generator", [z], request_compression_algorithm=name) for name in (None, encoding)]
    assert (sent[0].as_numpy("images") == sent[1].as_numpy("images")).all()


@pytest.mark.parametrize(
    ("encoding", "content", "status", "words"),
    [
        ("gzip", compressed(body(LARGEST)), 200, "outputs"),
        ("X-GZIP", compressed(body()[:40]) + compressed(body()[40:]), 200, "outputs"),
        ("identity", body(), 200, "outputs"),
        ("", body(), 200, "outputs"),
        ("gzip", compressed(body(LARGEST + 1)), 413, f"at most {LARGEST} bytes, decompressed"),
        ("gzip", compressed(body(LARGEST)) + compressed(b" "), 413, f"at most {LARGEST} bytes, decompressed"),
        ("gzip", BOMB, 413, f"at most {LARGEST} bytes, decompressed"),
        ("deflate", zlib.compress(bytes(2**24)), 413, f"at most {LARGEST} bytes, decompressed"),
        ("gzip", compressed(body())[:-1], 400, "not complete gzip data"),
        ("gzip", body(), 400, "not complete gzip data"),
        ("gzip", b"", 400, "not complete gzip data"),
        ("deflate", compressed(body()), 400, "not complete deflate data"),
        ("br", body(), 415, "Content-Encoding 'br' are not supported"),
        ("gzip, gzip", compressed(compressed(body())), 415, "are not supported"),
    ],
    ids=itertools.count(),
)
def test_compressed_bodies(plain: str, encoding: str, content: bytes, status: int, words: str) -> None:
    answer = httpx.post(f"{plain}/v2/models/generator/infer", content=content, headers={"Content-Encoding": encoding})
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert answer.headers.get("accept-encoding") == ("gzip, deflate" if status == 415 else None)
