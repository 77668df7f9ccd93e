"""A digest of the graph with its weights, stored in the ONNX file: it exposes a file that mixes two models.

A file that is overwritten in place may be read half old, half new, and ONNX Runtime often accepts the mixture. The
digest is checked without the package `onnx`, which the service does not import.
"""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.errors import InputError

if TYPE_CHECKING:
    import onnx

KEY = "ganline_graph_sha256"
"""Metadata key of the digest."""

GRAPH_FIELD = 7
"""Number of the field of ONNX's ModelProto that holds nodes and weights."""

VARINT, EIGHT_BYTES, LENGTH_PREFIXED, FOUR_BYTES = 0, 1, 2, 5
"""Wire types of protobuf, https://protobuf.dev/programming-guides/encoding/."""


def seal(model: "onnx.ModelProto") -> bytes:
    """Return the serialized model with the digest of its graph in its metadata."""
    digest = graph_digest(model.SerializeToString(deterministic=True))
    entry = next((entry for entry in model.metadata_props if entry.key == KEY), None) or model.metadata_props.add()
    entry.key, entry.value = KEY, digest
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def graph_digest(content: bytes) -> str:
    """Return the SHA-256 of the graph in a serialized model. Raises ValueError if the content is no such model."""
    view, at, digest = memoryview(content), 0, hashlib.sha256()
    while at < len(view):
        tag, at = read_varint(view, at)
        field, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            _, at = read_varint(view, at)
        elif wire_type == LENGTH_PREFIXED:
            length, at = read_varint(view, at)
            if field == GRAPH_FIELD:
                digest.update(view[at : at + length])
            at += length
        elif wire_type in (EIGHT_BYTES, FOUR_BYTES):
            at += 8 if wire_type == EIGHT_BYTES else 4
        else:
            raise ValueError(f"wire type {wire_type}")
    if at != len(view):
        raise ValueError("truncated")
    return digest.hexdigest()


def read_varint(view: memoryview, at: int) -> tuple[int, int]:
    """Return the number that starts at a position, and the position after it."""
    value = shift = 0
    while at < len(view):
        byte = view[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("truncated")


def check_digest(content: bytes, stored: Mapping[str, str], name: str) -> None:
    """Compare the graph with the digest in its metadata; files of version 0.1 have none.

    Raises InputError naming the file if they differ.
    """
    if KEY not in stored:
        return
    try:
        intact = graph_digest(content) == stored[KEY]
    except ValueError:
        intact = False
    if not intact:
        raise InputError(
            f"{name}: its graph does not match the digest in its metadata ({KEY}). The file is damaged, was read while "
            "it was overwritten, or was edited. Copy or export it again."
        )
