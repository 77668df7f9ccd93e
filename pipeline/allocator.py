"""Settings of the C library's allocator for stages that compute.

Every training step frees tensors and allocates as many again. By default glibc returns large blocks to the system,
which then clears every page of the next one. That costs up to 10 % of the time on a CPU (benchmarks/training).
"""

import ctypes
import platform

# From malloc.h; mallopt takes an int.
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
NEVER = 2**31 - 1
GROWTH_BYTES = 64 * 2**20


def keep_freed_memory() -> bool:
    """Allocate large blocks from the heap, which grows by 64 MiB at a time and does not shrink.

    For processes that exit when their work is done: freed memory stays with the process until then.

    Returns:
        False if the C library is not glibc, or if it refuses a setting.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    settings = ((MMAP_MAX, 0), (TRIM_THRESHOLD, NEVER), (TOP_PAD, GROWTH_BYTES))
    return all(library.mallopt(name, value) for name, value in settings)
