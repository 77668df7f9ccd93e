"""Files of voxels that cannot be used, each with the reason for which it is set aside."""

import numpy as np

from tests.media.volume.voxel_files import binvox, npy, npy_header, npz, zipped

SOLID = np.ones((4, 4, 4), dtype=np.uint8)

BROKEN = {
    "empty": (b"", "is empty"),
    "text": (b"hello, these are no voxels", "no volume: neither voxels"),
    "picture": (b"\x89PNG\r\n\x1a\n", "no volume"),
    "npy magic only": (b"\x93NUMPY", "a damaged .npy file"),
    "npy of version 9": (b"\x93NUMPY\x09\x00" + npy(SOLID)[8:], "version 9.0"),
    "npy cut in its header": (npy(SOLID)[:40], "a damaged .npy file"),
    "npy cut in its voxels": (npy(SOLID)[:-10], "truncated: 54 of 64 bytes"),
    "npy of Python objects": (npy(np.array([[[{}]]], dtype=object)), "Python objects, which are not loaded"),
    "npy of texts": (npy(np.full((2, 2, 2), "a")), "values are <U1, not numbers"),
    "npy of complex numbers": (npy(np.ones((2, 2, 2), complex)), "values are complex128, not numbers"),
    "npy of records": (npy_header("(2, 2, 2)", "[('a', '<f4')]") + b"\0" * 32, "not numbers"),
    "picture as npy": (npy(np.ones((4, 4))), r"has 2 axes, not three: the shape is \[4, 4\]"),
    "five axes": (npy(np.ones((1, 1, 4, 4, 4))), "has 5 axes, not three"),
    "no voxels": (npy(np.ones((4, 0, 4))), r"has no voxels: the shape is \[4, 0, 4\]"),
    "negative shape": (npy_header("(-2, 2, 2)"), "has no voxels"),
    "npy bomb": (npy_header("(65536, 65536, 65536)"), "281,474,976,710,656 voxels, over data.limits.voxels 5,000"),
    "NaN": (npy(np.where(np.arange(64) == 5, np.nan, 1).reshape(4, 4, 4)), "1 voxels that are NaN or infinite"),
    "infinite": (npy(np.full((4, 4, 4), np.inf, np.float32)), "64 voxels that are NaN or infinite"),
    "damaged npz": (npz(a=SOLID)[:60], "a damaged .npz or .zip file"),
    "npz without arrays": (zipped("notes.txt", b"x"), "needs one array with three axes; its arrays are none"),
    "npz of two volumes": (npz(a=SOLID, b=SOLID), "needs one array with three axes; its arrays are a, b"),
    "npz of a table": (npz(table=np.ones((3, 3))), "table.npy: has 2 axes"),
    "npz bomb": (zipped("a.npy", npy(np.zeros((200, 200, 60)))), "a.npy: 19,200,128 bytes, over data.limits.voxels"),
    "npz with objects": (npz(a=np.array([[[{}]]], dtype=object)), "a.npy: holds Python objects"),
    "binvox without data": (b"#binvox 1\ndim 2 2 2\n", "no line `data`"),
    "binvox without sizes": (binvox("translate 0 0 0"), "no line `dim`"),
    "binvox of two sizes": (binvox("dim 2 2"), "`dim 2 2` is not three sizes"),
    "binvox of negative size": (binvox("dim 2 -2 2"), "is not three sizes"),
    "binvox bomb": (binvox("dim 9999 9999 9999"), "999,700,029,999 voxels, over data.limits.voxels"),
    "binvox that ends early": (binvox("dim 2 2 2", runs=b"\x01\x03"), "truncated: the runs hold 3 of 8 voxels"),
    "binvox that is too long": (binvox("dim 2 2 2", runs=b"\x01\x09"), "damaged: the runs hold 9 of 8 voxels"),
    "binvox with half a run": (binvox("dim 2 2 2", runs=b"\x01\x08\x00"), "the last run of voxels is incomplete"),
    "binvox of other values": (binvox("dim 2 2 2", runs=b"\x02\x08"), "a voxel is 2, not 0 or 1"),
}
