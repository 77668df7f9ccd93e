"""Remote objects that the workers read give the same store as copies of them."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.data import ingestion
from pipeline.data.ingestion import ingest
from pipeline.data.remote_objects import StoredBytes, read_stored
from pipeline.data.sources.objects import MEMBERS, index_tar
from pipeline.data.sources.remote import RemoteFiles
from pipeline.data.workers import LocalProcesses, Workers
from pipeline.errors import InputError
from pipeline.media.image.settings import ImageSettings
from tests.data.ingesting import LIMITS, read_digests

Members = list[tuple[str, bytes | None]]


def write_tar(path: Path, members: Members, links: dict[str, str] | None = None) -> None:
    """Write a tar; a member without bytes is a symbolic link."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members:
            header = tarfile.TarInfo(name)
            if data is None:
                header.type, header.linkname = tarfile.SYMTYPE, "elsewhere"
            header.size = len(data or b"")
            archive.addfile(header, io.BytesIO(data or b""))
        for name, target in (links or {}).items():
            header = tarfile.TarInfo(name)
            header.type, header.linkname = tarfile.LNKTYPE, target
            archive.addfile(header)


def store_both_ways(
    address: str, folder: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[..., Workers], **values: Any
) -> dict[str, str]:
    """Ingest copies, then let workers read; assert that the stores are equal and return their digests."""
    settings = ImageSettings.model_validate({"source": address, "channels": "rgb", "limits": LIMITS} | values)
    ingest(settings, folder, folder / "copies", folder / "copied", workers=1)
    monkeypatch.setattr(ingestion, "connect_cluster", start)
    ingest(settings, folder, folder / "cache", folder / "read", scheduler="tcp://here")
    assert (folder / "copies/remote").exists()
    assert not (folder / "cache").exists(), "nothing is copied if the workers read"
    copied, read = (read_digests(folder / name) for name in ("copied", "read"))
    assert copied == read
    return read


def start_process(_scheduler: str, _medium: object) -> Workers:
    return LocalProcesses(1)


def test_a_folder_of_objects(
    tmp_path: Path, good_files: dict[str, bytes], bad_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "set"
    for number, (name, data) in enumerate({**good_files, **bad_files.files, "empty.png": b""}.items()):
        path = source / ("a", "b", "b.1", "b/deep")[number % 4] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (source / "metadata.csv").write_text("file_name,caption\na/rgb.png,a picture\n")
    (source / ".hidden").write_text("litter")
    store_both_ways(f"file://{source}", tmp_path, monkeypatch, start_process)


def test_a_folder_of_tars(
    tmp_path: Path, good_files: dict[str, bytes], bad_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "set"
    items = list({**good_files, **bad_files.files}.items())
    samples: Members = []
    for number, (name, data) in enumerate(items):
        samples += [(f"{number:05d}{Path(name).suffix or '.png'}", data), (f"{number:05d}.cls", b"%d" % (number % 2))]
    write_tar(source / "train-0000.tar", samples)
    write_tar(source / "train-0001.tar", [*samples[:8], ("../escape.png", b"x"), ("link.png", None), ("e.png", b"")])
    links = {"again.png": samples[0][0], "nowhere.png": "missing.png"}
    write_tar(source / "more/test-0000.tar", samples[:6], links)
    write_tar(source / "Test.x/test-0001.tar", samples[4:8])
    store_both_ways(f"file://{source}", tmp_path, monkeypatch, start_process)


def test_the_index_of_a_tar_says_where_members_are(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_tar(path, [("x/é.png", b"12345"), ("x/é.cls", b"7"), ("x", None)])
    table = index_tar(f"file://{path}")
    assert table.schema == MEMBERS
    first, second, third = table.to_pylist()
    assert path.read_bytes()[first["start"] :][: first["size"]] == b"12345"
    assert (first["path"], first["data"], second["data"]) == ("x/é.png", None, b"7")
    assert "links in archives" in third["error"]
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InputError, match=r"a\.tar: not a tar archive, or damaged after"):
        index_tar(f"file://{path}")
    with pytest.raises(InputError, match=r"b\.tar: no such file"):
        index_tar(f"file://{tmp_path}/b.tar")


def test_close_parts_of_an_object_are_one_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.local import LocalFileSystem

    content = bytes(range(256)) * 4096
    (tmp_path / "a").write_bytes(content)
    address = f"file://{tmp_path}/a"
    asked: list[tuple[Any, Any]] = []
    original = LocalFileSystem.cat_ranges

    def record(self: Any, paths: Any, starts: Any, ends: Any, **options: Any) -> Any:
        asked.extend(zip(starts, ends, strict=True))
        return original(self, paths, starts, ends, **options)

    monkeypatch.setattr(LocalFileSystem, "cat_ranges", record)
    places = [(0, 10), (512, 100), (612, 0), (70_000, 5), (900_000, 7), (3, 4)]
    parts = [StoredBytes(address, size, start) for start, size in places]
    parts.append(StoredBytes(address, len(content)))
    answers = read_stored(parts)
    assert answers == [content[start : start + size] for start, size in places] + [content]
    assert asked == [(0, 612), (70_000, 70_005), (900_000, 900_007), (3, 7), (None, None)]


def test_a_changed_object_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    for part in (StoredBytes(f"file://{tmp_path}/a", 4), StoredBytes(f"file://{tmp_path}/a", 2, 2)):
        with pytest.raises(InputError, match=r"/a: has changed since it was listed: \d bytes instead of \d"):
            read_stored([part])
    with pytest.raises(InputError, match="/b: no such file"):
        read_stored([StoredBytes(f"file://{tmp_path}/b", 4)])


def test_an_object_store_is_read_by_a_cluster(
    tmp_path: Path, bucket: Any, good_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import LocalCluster

    members: Members = [(f"{folder}/{name}", data) for folder in "ab" for name, data in good_files.items()]
    for shard in range(3):
        write_tar(tmp_path / "tars" / f"{shard:05d}.tar", members[shard::3])
    for name, data in members:
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).write_bytes(data or b"")
    connect = ingestion.connect_cluster
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:

        def start(_scheduler: str, medium: Any) -> Workers:
            return connect(cluster.scheduler_address, medium)

        for kind in ("files", "tars"):
            bucket.put(str(tmp_path / kind), f"objects/{kind}", recursive=True)
            store_both_ways(f"s3://objects/{kind}", tmp_path / f"{kind}-stores", monkeypatch, start)


def test_a_tar_that_was_replaced_is_listed_as_it_is_now(tmp_path: Path, bucket: Any) -> None:
    """s3fs remembers the sizes of a listing without an expiry, and a worker lives long."""
    path, address = tmp_path / "a.tar", "s3://objects/tars/a.tar"
    for names in (["1.png"], ["1.png", "2.png", "3.png"]):
        write_tar(path, [(name, b"x" * 5000) for name in names])
        bucket.put_file(str(path), "objects/tars/a.tar")
        assert index_tar(address)["path"].to_pylist() == names
        assert RemoteFiles.of("s3://objects/tars").sizes == {"a.tar": path.stat().st_size}
