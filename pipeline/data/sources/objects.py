"""Remote sources that the workers read: the main process lists the objects, and each worker opens those it decodes.

Only folders of files and folders of uncompressed tars are read this way, and only if the server tells the sizes.
"""

import functools
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import pyarrow as pa

from pipeline.data.remote_objects import StoredBytes, explain_errors
from pipeline.data.sources.archive import DANGLING, StrictHeader, describe_member
from pipeline.data.sources.base import Source, SourceFile, folders_of, refuse, too_large
from pipeline.data.sources.label_files import PARSERS, SAMPLE_PARSERS
from pipeline.data.sources.names import make_printable, split_name
from pipeline.data.sources.remote import RemoteFiles
from pipeline.data.sources.shards import splits_of
from pipeline.data.workers import Workers
from pipeline.errors import InputError
from pipeline.files import is_litter
from pipeline.media.base import Medium

BLOCK_BYTES = 8 * 2**20
ROWS = 4096
"""Rows of an index that are Python objects at a time."""
SMALL_BYTES = 2**16
"""Largest file with labels that an index holds."""
MEMBERS = pa.schema(
    {"path": pa.string(), "error": pa.string(), "start": pa.int64(), "size": pa.int64(), "data": pa.binary()}
)
"""Columns of the index of a tar: members with the position of their bytes. `data` is filled for small label files."""


def open_objects(files: RemoteFiles, medium: Medium, workers: Workers) -> Source | None:
    """Return the source at an address; None if it is of a kind that must be copied first."""
    if "" in files.paths or any(size is None for size in files.sizes.values()):
        return None
    names = [name for name in files.paths if not is_litter(tuple(name.split("/")))]
    suffixes = {os.path.splitext(name)[1].casefold() for name in names}
    addresses = {name: str(files.filesystem.unstrip_protocol(files.paths[name])) for name in names}
    sizes = {name: files.sizes[name] or 0 for name in names}
    if suffixes & set(medium.suffixes) or not suffixes & {".parquet", ".tar"}:
        return FileObjects(files.name, addresses, sizes)
    if ".parquet" in suffixes:
        return None
    tars = {name: address for name, address in addresses.items() if name.casefold().endswith(".tar")}
    return TarObjects(files.name, tars, workers)


class FileObjects:
    """A folder of objects, in the order of a local folder.

    Args:
        name: Name of the source.
        addresses: Address of each object by its name.
        sizes: Size of each object by its name.
    """

    def __init__(self, name: str, addresses: Mapping[str, str], sizes: Mapping[str, int]) -> None:
        self.name = make_printable(name)
        self.addresses, self.sizes = addresses, sizes

    def stream(self) -> Iterator[SourceFile]:
        """Yield the objects."""
        for name in sorted(self.addresses, key=lambda name: name.split("/")):
            yield SourceFile(make_printable(name), StoredBytes(self.addresses[name], self.sizes[name]))


class TarObjects:
    """The members of all tars of a folder of objects. One worker lists each tar; any worker reads some of its members.

    Args:
        name: Name of the source.
        addresses: Address of each tar by its name.
        workers: Processes that list the tars.
    """

    def __init__(self, name: str, addresses: Mapping[str, str], workers: Workers) -> None:
        self.name = make_printable(name)
        self.addresses = addresses
        # Like a walk through local folders: the tars of a folder, then those of the folders below it.
        names = sorted(addresses, key=lambda name: [(1, part) for part in name.split("/")[:-1]] + [(0, name)])
        self.splits = splits_of([PurePosixPath(name) for name in names], PurePosixPath())
        self.indexes = dict(workers.run_in_order(index_tar, ((name, (addresses[name],)) for name in names)))

    def stream(self) -> Iterator[SourceFile]:
        """Yield the members."""
        for shard, table in self.indexes.items():
            split = tuple(filter(None, [self.splits.get(PurePosixPath(shard))]))
            for batch in table.to_batches(ROWS):
                for member in batch.to_pylist():
                    name = make_printable(f"{shard}/{member['path']}")
                    yield self.file(shard, name, (*split, *folders_of(member["path"])), **member)

    def file(
        self,
        shard: str,
        name: str,
        meaning: tuple[str, ...],
        *,
        error: str | None,
        start: int,
        size: int,
        data: bytes | None,
        **_: object,
    ) -> SourceFile:
        """Return one member as a file."""
        if error is not None:
            refused = refuse(name, error)
            return SourceFile(name, refused.load, None if error == DANGLING else error, meaning)
        stored = StoredBytes(self.addresses[shard], size, start)
        return SourceFile(name, stored if data is None else functools.partial(load_listed, data), None, meaning)


def index_tar(address: str) -> pa.Table:
    """List the members of a tar on a worker: a table with the columns MEMBERS.

    Raises:
        InputError: The tar cannot be read or is damaged.
    """
    from fsspec.core import url_to_fs

    columns: dict[str, list[object]] = {name: [] for name in MEMBERS.names}
    places: dict[tuple[str, ...], tuple[int, int]] = {}
    count = 0
    with explain_errors(address):
        filesystem, name = url_to_fs(address)
        filesystem.invalidate_cache()  # a worker lives long, and an object may have another size now
        try:
            with (
                filesystem.open(name, "rb", block_size=BLOCK_BYTES, cache_type="readahead") as file,
                tarfile.open(fileobj=file, mode="r:", tarinfo=StrictHeader) as archive,
            ):
                while (member := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]
                    count += 1
                    if member.isfile():
                        places[split_name(member.name)] = member.offset_data, member.size
                    row = list_member(member, places)
                    if row is not None:
                        path, error, start, size = row
                        data = None
                        if error is None and size <= SMALL_BYTES and is_label_file(path):
                            file.seek(start)
                            data = file.read(size)
                        for column, value in zip(columns.values(), (*row, data), strict=True):
                            column.append(value)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise InputError(
                f"data.source: {address}: not a tar archive, or damaged after {count} members ({error}); "
                "create or upload it again"
            ) from None
    return pa.table(columns, schema=MEMBERS)


def list_member(
    member: tarfile.TarInfo, places: Mapping[tuple[str, ...], tuple[int, int]]
) -> tuple[str, str | None, int, int] | None:
    """Return path, error, start and size of a member; None for folders and litter.

    Args:
        member: The member.
        places: Start and size of the files so far by name, for hard links.
    """
    path, error = describe_member(member)
    if path is None:
        return None
    place = places.get(split_name(member.linkname)) if member.islnk() else None
    if error is None and member.issparse():
        error = "a sparse file; write the archive without --sparse"
    elif error is None and member.islnk() and place is None:
        error = DANGLING
    return path, error, *(place or (member.offset_data, member.size))


def is_label_file(path: str) -> bool:
    """Return whether a file describes items, such as key.cls or metadata.csv."""
    name = path.rpartition("/")[2].casefold()
    return name in PARSERS or name.partition(".")[2] in SAMPLE_PARSERS


def load_listed(data: bytes, limit: int) -> bytes:
    """Return the content of a small file that the index holds. Raise Unreadable above `limit` bytes."""
    if len(data) > limit:
        raise too_large(limit)
    return data
