"""Write triangles as STL (binary) and GLB (glTF 2.0)."""

import json
import struct

import numpy as np

from pipeline.arrays import Float32Array
from pipeline.media.volume.surface import Mesh

FLOAT, UNSIGNED = 5126, 5125
VERTICES, INDICES = 34962, 34963
"""Constants of glTF 2.0: component types, and targets of buffer views."""
RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def write_stl(mesh: Mesh, side: int) -> bytes:
    """Return a binary STL file; its unit is one voxel, `side` of them in each direction, and z points up."""
    records = np.zeros(len(mesh.triangles), dtype=RECORD)
    records["corners"] = mesh.corners[mesh.triangles] * side
    records["normal"] = face_normals(mesh)
    header = b"ganline solid, unit 1 voxel".ljust(80, b" ")
    return header + struct.pack("<I", len(records)) + records.tobytes()


def write_glb(mesh: Mesh) -> bytes:
    """Return a GLB file; the volume has the side 1 around the origin, and y points up."""
    if not len(mesh.triangles):
        return pack_glb({"asset": ASSET, "scene": 0, "scenes": [{"nodes": []}]}, b"")
    x, y, z = (mesh.corners - 0.5).T
    corners = np.ascontiguousarray(np.stack([x, z, -y], axis=1), dtype="<f4")
    normals = np.ascontiguousarray(corner_normals(mesh)[:, [0, 2, 1]] * [1, 1, -1], dtype="<f4")
    triangles = np.ascontiguousarray(mesh.triangles, dtype="<u4")
    parts = [corners.tobytes(), normals.tobytes(), triangles.tobytes()]
    starts = np.cumsum([0, *map(len, parts)]).tolist()
    views = [
        {"buffer": 0, "byteOffset": start, "byteLength": len(part), "target": target}
        for start, part, target in zip(starts, parts, (VERTICES, VERTICES, INDICES), strict=False)
    ]
    accessors = [
        {
            "bufferView": 0,
            "componentType": FLOAT,
            "count": len(corners),
            "type": "VEC3",
            "min": corners.min(axis=0).tolist(),
            "max": corners.max(axis=0).tolist(),
        },
        {"bufferView": 1, "componentType": FLOAT, "count": len(normals), "type": "VEC3"},
        {"bufferView": 2, "componentType": UNSIGNED, "count": triangles.size, "type": "SCALAR"},
    ]
    primitive = {"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2}
    description = {
        "asset": ASSET,
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": starts[-1]}],
    }
    return pack_glb(description, b"".join(parts))


ASSET = {"version": "2.0", "generator": "ganline"}


def pack_glb(description: dict[str, object], content: bytes) -> bytes:
    """Return the chunks of a GLB file: JSON, and a buffer if there is one."""
    text = json.dumps(description, separators=(",", ":")).encode()
    chunks = pack_chunk(b"JSON", text, b" ") + (pack_chunk(b"BIN\0", content, b"\0") if content else b"")
    return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks


def pack_chunk(kind: bytes, content: bytes, padding: bytes) -> bytes:
    """Return a chunk whose length is a multiple of four."""
    content += padding * (-len(content) % 4)
    return struct.pack("<I", len(content)) + kind + content


def face_normals(mesh: Mesh) -> Float32Array:
    """Return the unit normal of each triangle, [m, 3]."""
    first, second, third = mesh.corners[mesh.triangles].transpose(1, 0, 2)
    return unit(np.cross(second - first, third - first))


def corner_normals(mesh: Mesh) -> Float32Array:
    """Return the unit normal of each corner, [n, 3]: the mean of those of its triangles, weighted by their area."""
    first, second, third = mesh.corners[mesh.triangles].transpose(1, 0, 2)
    total = np.zeros_like(mesh.corners)
    for column in range(3):
        np.add.at(total, mesh.triangles[:, column], np.cross(second - first, third - first))
    return unit(total)


def unit(vectors: Float32Array) -> Float32Array:
    """Return vectors [n, 3] of length 1."""
    scaled: Float32Array = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return scaled
