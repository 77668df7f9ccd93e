"""Several files as one: what a medium decodes whose items are folders of files, such as the frames of a clip."""

import json
import re
from collections.abc import Sequence

from pipeline.media.codec import BadItem

MAGIC = b"ganline bundle\n"
"""First bytes of a bundle."""


def pack(files: Sequence[tuple[str, bytes]]) -> bytes:
    """Return named files as one. The bytes depend on names and contents only."""
    header = json.dumps([[name, len(data)] for name, data in files]).encode()
    return b"".join([MAGIC, header, b"\n", *(data for _, data in files)])


def is_bundle(data: bytes) -> bool:
    """Return whether bytes come from `pack`."""
    return data.startswith(MAGIC)


def unpack(data: bytes) -> list[tuple[str, bytes]]:
    """Return the named files of a bundle. Raise BadItem for a damaged one."""
    header, _, contents = data[len(MAGIC) :].partition(b"\n")
    files, start = [], 0
    try:
        for name, size in json.loads(header):
            files.append((str(name), contents[start : start + size]))
            start += size
    except (ValueError, TypeError):
        start = -1
    if start != len(contents):
        raise BadItem("a damaged bundle of files")
    return files


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names by their numbers: frame 2 comes before frame 10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in parts]
