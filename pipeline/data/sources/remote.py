"""Remote sources: list the files at an address with their ETags, and keep copies of them in the cache.

Any protocol of fsspec is accepted (`s3://`, `gs://`, `abfs://`, `https://`, ...). A file is downloaded again only if
its ETag changes.
"""

import hashlib
import json
import re
import urllib.parse
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.data.remote_objects import explain_errors
from pipeline.data.sources.names import explain_unsafe
from pipeline.errors import InputError
from pipeline.files import write_atomically

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
ETAGS = ("ETag", "etag", "md5Hash", "content_md5", "Content-MD5", "checksum", "Digest")
TIMES = ("Last-Modified", "LastModified", "last_modified", "updated", "mtime", "created")
BATCH_FILES = 64
REQUESTS = 16


def is_remote(source: str) -> bool:
    """Return whether `data.source` is the address of a remote file or folder."""
    return ADDRESS.match(source) is not None


@dataclass(frozen=True)
class RemoteFiles:
    """The files at an address.

    Attributes:
        address: The value of `data.source`.
        filesystem: The file system of fsspec.
        paths: Remote path of each file by its name; the name is empty if the address is one file.
        versions: ETag of each file by its name, or size and time of change if the server has no ETags.
        sizes: Size in bytes of each file by its name; None if the server does not tell.
    """

    address: str
    filesystem: Any
    paths: Mapping[str, str]
    versions: Mapping[str, str]
    sizes: Mapping[str, int | None]

    @property
    def name(self) -> str:
        """Last part of the address."""
        return self.address.split("?")[0].rstrip("/").rsplit("/", 1)[-1] or "source"

    @classmethod
    def of(cls, address: str) -> "RemoteFiles":
        """List an address. Raises InputError if it cannot be reached or is empty."""
        from fsspec.core import url_to_fs

        with explain_errors(address):
            filesystem, root = url_to_fs(address)
            filesystem.invalidate_cache()
            found = list_files(filesystem, root, address)
            for name in found:
                if explain_unsafe(name):
                    raise InputError(f"data.source: {address}: the name {name!r} is outside the folder")
            if not found:
                raise InputError(f"data.source: {address}: is empty")
            paths = {name: info["name"] for name, info in found.items()}
            versions = {name: version_of(info) for name, info in found.items()}
            return cls(address, filesystem, paths, versions, {name: info.get("size") for name, info in found.items()})

    def fetch(self, cache: Path) -> Path:
        """Download new and changed files below `cache` and return the local file or folder.

        Raises:
            InputError: A file cannot be downloaded. Files that are complete are not downloaded again.
        """
        folder = cache / "remote" / hashlib.sha256(self.address.encode()).hexdigest()[:16]
        target = folder / self.name
        record = folder / "etags.json"
        known = read_record(record)
        for name in known.keys() - self.versions.keys():
            local_path(target, name).unlink(missing_ok=True)
            del known[name]
        names = [
            name
            for name, version in self.versions.items()
            if known.get(name) != version or not local_path(target, name).is_file()
        ]
        for start in range(0, len(names), BATCH_FILES):
            batch = names[start : start + BATCH_FILES]
            copies = [local_path(target, name) for name in batch]
            for path in copies:
                path.parent.mkdir(parents=True, exist_ok=True)
            with explain_errors(self.address):
                self.filesystem.get([self.paths[name] for name in batch], [str(path) for path in copies])
            known |= {name: self.versions[name] for name in batch}
            write_atomically(record, json.dumps(known).encode())
        return target


def list_files(filesystem: Any, root: str, address: str) -> dict[str, dict[str, Any]]:
    """Return fsspec's facts of each file by its name below `root`, sorted; the name of a single file is empty."""
    if "http" in filesystem.protocol or "https" in filesystem.protocol:
        return list_web(filesystem, root)
    facts = filesystem.info(root)
    if facts["type"] != "directory":
        return {"": facts}
    start = root.strip("/")
    found = filesystem.find(root, detail=True)
    names = {path.strip("/").removeprefix(start).strip("/"): info for path, info in found.items()}
    return {name: names[name] for name in sorted(names) if name}


def list_web(filesystem: Any, root: str) -> dict[str, dict[str, Any]]:
    """Return the facts of a file on a web server, or of the files that the index pages below an address list."""
    if not root.endswith("/"):
        return {"": filesystem.info(root)}
    addresses = [path for path in filesystem.find(root) if path.startswith(root)]
    addresses = [path for path in addresses if path != root and not {"?", "#"} & set(path)]
    with ThreadPoolExecutor(REQUESTS) as pool:
        facts = pool.map(filesystem.info, addresses)
    names = [urllib.parse.unquote(address.removeprefix(root)) for address in addresses]
    return dict(sorted(zip(names, facts, strict=True)))


def version_of(facts: Mapping[str, Any]) -> str:
    """Return the ETag of a file, or its size and time of change if there is none."""
    etag = next((str(facts[key]) for key in ETAGS if facts.get(key)), None)
    return etag or " ".join(str(facts[key]) for key in ("size", *TIMES) if facts.get(key) is not None)


def local_path(target: Path, name: str) -> Path:
    """Return the place of a file's copy."""
    return target / name if name else target


def read_record(path: Path) -> dict[str, str]:
    """Return the ETags of the copies by name; empty if there are none."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
