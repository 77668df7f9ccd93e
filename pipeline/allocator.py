"""Freed memory stays with the process: what a stage that calculates asks of the C library.

Every step of a training frees tensors and asks for as many again. glibc gives large ones back to the system at once, which has to clear
every page anew for the next: up to a tenth of the time on a CPU (benchmarks/training).
"""

import ctypes
import platform

# From malloc.h; mallopt takes an int.
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
NEVER = 2**31 - 1
AHEAD = 64 * 2**20


def keep_freed() -> bool:
    """From here on large blocks are taken from the heap, which grows 64 MiB at a time and does not shrink; False where the C library is not glibc.

    For processes that end when their work is done: what they once held they hold to the end, and the holes between blocks besides.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return all(
        library.mallopt(name, value) for name, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, NEVER), (TOP_PAD, AHEAD))
    )
