"""Read and write binvox (Patrick Min): a text header, then runs of equal voxels.

Voxels are stored in the order x, z, y: y changes fastest. `translate` and `scale` may be missing.
"""

import numpy as np

from pipeline.arrays import BoolArray
from pipeline.media.codec import BadItem

MAGIC = b"#binvox"
LONGEST_HEADER = 4096
LONGEST_RUN = 255


def read_binvox(data: bytes, most: int) -> BoolArray:
    """Return the voxels [x, y, z].

    Args:
        data: Content of the file.
        most: Largest number of voxels.

    Raises:
        BadItem: The file is damaged or too large.
    """
    (depth, height, width), start = read_header(data)
    count = depth * height * width
    if count > most:
        raise BadItem(f"{count:,} voxels, over data.limits.voxels {most:,}")
    runs = np.frombuffer(data, dtype=np.uint8, offset=start)
    if len(runs) % 2:
        raise BadItem("damaged: the last run of voxels is incomplete")
    values, lengths = runs[::2], runs[1::2].astype(np.int64)
    if len(values) and values.max() > 1:
        raise BadItem(f"damaged: a voxel is {values.max()}, not 0 or 1")
    if (total := int(lengths.sum())) != count:
        kind = "truncated" if total < count else "damaged"
        raise BadItem(f"{kind}: the runs hold {total:,} of {count:,} voxels")
    stored = np.repeat(values, lengths).reshape(depth, height, width)
    return stored.transpose(0, 2, 1).astype(bool)


def read_header(data: bytes) -> tuple[tuple[int, int, int], int]:
    """Return the sizes along x, z and y, and where the voxels begin. Raise BadItem."""
    end = data.find(b"\ndata", 0, LONGEST_HEADER)
    newline = data.find(b"\n", end + 1)
    if end < 0 or newline < 0:
        raise BadItem("damaged: its header has no line `data`")
    sizes: tuple[int, int, int] | None = None
    for line in data[:end].splitlines()[1:]:
        words = line.split()
        if words[:1] == [b"dim"]:
            sizes = parse_sizes(words[1:])
    if sizes is None:
        raise BadItem("damaged: its header has no line `dim`")
    return sizes, newline + 1


def parse_sizes(words: list[bytes]) -> tuple[int, int, int]:
    """Return three positive sizes. Raise BadItem."""
    if len(words) != 3 or not all(word.isdigit() and len(word) < 10 and int(word) for word in words):
        raise BadItem(f"damaged: `dim {b' '.join(words).decode('ascii', 'replace')[:40]}` is not three sizes")
    first, second, third = map(int, words)
    return first, second, third


def write_binvox(voxels: BoolArray) -> bytes:
    """Return voxels [x, y, z] as a file."""
    stored = voxels.transpose(0, 2, 1)
    depth, height, width = stored.shape
    flat = stored.ravel().astype(np.uint8)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1])
    runs = bytearray()
    for value, length in zip(flat[starts].tolist(), np.diff([*starts, len(flat)]).tolist(), strict=True):
        full, rest = divmod(length, LONGEST_RUN)
        runs += bytes([value, LONGEST_RUN]) * full + (bytes([value, rest]) if rest else b"")
    return b"#binvox 1\ndim %d %d %d\ntranslate 0 0 0\nscale 1\ndata\n" % (depth, height, width) + bytes(runs)
