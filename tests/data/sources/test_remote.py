"""Remote sources: a web server and an object-store server on this machine."""

import functools
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.sources.remote import RemoteFiles, is_remote
from pipeline.errors import InputError
from pipeline.stages.commands import etags
from tests.data.ingesting import run_ingestion, write_zip

ImageFolder = Callable[..., Path]


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and records which files are read."""

    reads: list[str]

    def do_GET(self) -> None:
        self.reads.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """Return the address of a web server, the folder that it serves, and the paths that are read."""
    folder, reads = tmp_path / "web", list[str]()
    folder.mkdir()
    handler = type("Recorder", (Handler,), {"reads": reads})
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder, reads
        server.shutdown()
        thread.join()


def test_addresses_are_recognised() -> None:
    assert all(map(is_remote, ("s3://bucket/data", "https://host/a.zip", "gs://b", "memory://x")))
    assert not any(map(is_remote, ("data/raw", "/data", "torchvision:CIFAR10", "C:\\data", "digits")))


def test_an_archive_on_a_web_server_is_downloaded_once_and_again_after_a_change(
    tmp_path: Path, web: tuple[str, Path, list[str]], image_folder: ImageFolder
) -> None:
    address, served, reads = web
    source = image_folder([f"{name}/{number}.png" for name in "ab" for number in range(3)])
    files = {str(path.relative_to(source)): path.read_bytes() for path in sorted(source.rglob("*.png"))}
    write_zip(served / "set.zip", files)
    info, _ = run_ingestion(f"{address}/set.zip", tmp_path)
    assert (info.images, info.source, info.item.classes) == (6, "set.zip", ("a", "b"))
    assert reads == ["/set.zip"]
    assert run_ingestion(f"{address}/set.zip", tmp_path)[0] == info
    assert reads == ["/set.zip"]
    write_zip(served / "set.zip", {name: files[name] for name in list(files)[:4]})
    assert run_ingestion(f"{address}/set.zip", tmp_path)[0].images == 4
    assert reads == ["/set.zip"] * 2


def test_a_folder_on_a_web_server_is_mirrored(
    tmp_path: Path, web: tuple[str, Path, list[str]], image_folder: ImageFolder
) -> None:
    address, served, reads = web
    image_folder(["set/train/a/1.png", "set/train/b/ü 2.png", "set/test/a/3.png", "set/test/b/4.png"], "web")
    info, rows = run_ingestion(f"{address}/set/", tmp_path)
    assert info.source == "set"
    assert [row["path"] for row in rows] == ["test/a/3.png", "test/b/4.png", "train/a/1.png", "train/b/ü 2.png"]
    assert (info.splits, info.item.classes) == ({"train": 2, "test": 2}, ("a", "b"))
    (served / "set/test/b/4.png").unlink()
    image_folder(["set/test/b/5.png"], "web")
    reads.clear()
    _, rows = run_ingestion(f"{address}/set/", tmp_path)
    assert [row["path"] for row in rows if row["split"] == "test"] == ["test/a/3.png", "test/b/5.png"]
    assert [path for path in reads if path.endswith(".png")] == ["/set/test/b/5.png"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{}/absent.zip", "no such file or folder. A folder on a web server ends in `/`"),
        ("{}/", "is empty"),
        ("http://127.0.0.1:1/a.zip", "no such file or folder|cannot be read"),
        ("nonsense://host/a.zip", "cannot be read .*nonsense"),
    ],
)
def test_addresses_that_cannot_be_read_are_an_error(
    tmp_path: Path, web: tuple[str, Path, list[str]], source: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        run_ingestion(source.format(web[0]), tmp_path)


def test_etags_are_written_to_the_path_that_dvc_watches(
    tmp_path: Path, web: tuple[str, Path, list[str]], image_folder: ImageFolder
) -> None:
    address, served, _ = web
    image_folder(["1.png", "2.png"], "web")
    (tmp_path / "params.yaml").write_text(f"data: {{source: '{address}/'}}")
    record = tmp_path / "data/raw/etags.json"
    assert etags.run(tmp_path) == f"2 files at {address}/, changed; `dvc repro` ingests them"
    before = record.read_bytes()
    assert etags.run(tmp_path) == f"2 files at {address}/, unchanged"
    assert record.read_bytes() == before
    (served / "2.png").unlink()
    assert "changed" in etags.run(tmp_path)
    assert record.read_bytes() != before
    (tmp_path / "params.yaml").write_text("data: {source: digits}")
    with pytest.raises(InputError, match="digits: is not a remote address"):
        etags.run(tmp_path)


def test_an_object_store_is_mirrored_by_etags(tmp_path: Path, image_folder: ImageFolder, bucket: Any) -> None:
    address = "s3://objects/data/set"
    source = image_folder([f"{name}/{number}.png" for name in "ab" for number in range(3)])
    bucket.put(str(source), "objects/data/set", recursive=True)
    info, rows = run_ingestion(address, tmp_path)
    assert (info.images, info.source, info.item.classes) == (6, "set", ("a", "b"))
    files = RemoteFiles.of(address)
    assert files.versions.keys() == {row["path"] for row in rows}
    assert all(version.startswith('"') for version in files.versions.values()), "these are ETags"
    bucket.rm("objects/data/set/a/0.png")
    bucket.pipe("objects/data/set/a/1.png", (source / "a/2.png").read_bytes())
    changed = RemoteFiles.of(address).versions
    assert {name for name in changed if changed[name] != files.versions[name]} == {"a/1.png"}
    assert run_ingestion(address, tmp_path)[0].images == 5
    with pytest.raises(InputError, match="s3://absent/x: no such file"):
        run_ingestion("s3://absent/x", tmp_path)


def test_new_remote_files_are_an_arrival(tmp_path: Path) -> None:
    import fsspec

    from flows import arrivals

    store: Any = fsspec.filesystem("memory")
    store.pipe("/arrivals/a.png", b"1")
    (tmp_path / "params.yaml").write_text("data: {source: 'memory://arrivals'}")
    before = arrivals.scan(tmp_path, tmp_path)
    assert before is not None
    assert before.files == 1
    assert arrivals.scan(tmp_path, tmp_path) == before
    store.pipe("/arrivals/b.png", b"2")
    after = arrivals.scan(tmp_path, tmp_path)
    assert after is not None
    assert after.fingerprint != before.fingerprint
