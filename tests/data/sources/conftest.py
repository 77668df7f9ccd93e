"""An object store on this machine."""

import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the file system of an object-store server on loopback, with the bucket `objects`.

    It is that of another client: changes through it do not end what the code under test has cached.
    """
    pytest.importorskip("s3fs", reason="s3fs is optional")
    server_module = pytest.importorskip("moto.server", reason="moto is optional")
    import fsspec

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    store: Any = fsspec.filesystem("s3", skip_instance_cache=True)
    store.clear_instance_cache()  # connections to the servers of other tests
    store.mkdir("objects")
    yield store
    # All servers of a process have the same objects.
    urllib.request.urlopen(urllib.request.Request(f"{address}/moto-api/reset", method="POST")).close()
    server.stop()
    store.clear_instance_cache()
