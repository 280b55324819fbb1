"""Keep the memory that one segment freed for the next.

glibc gives every large block back to the system when it is freed, and the system clears each page again at its next
use: a tenth of the time that a segment of htdemucs takes in float32. The blocks of one segment are those of the next,
so keeping them costs nothing beyond the peak.
"""

from __future__ import annotations

import ctypes
import platform

# mallopt(3)
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_LARGEST_BLOCK_BYTES = 2**30
_LARGEST_SPARE_BYTES = 2**31 - 1
_STEP_BYTES = 64 * 2**20


def keep_freed_memory() -> bool:
    """Tell glibc to reuse large blocks; false, and nothing changed, where there is another C library."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    options = (
        (_M_ARENA_MAX, 1),  # a thread's own arena could not hold such blocks
        (_M_MMAP_THRESHOLD, _LARGEST_BLOCK_BYTES),
        (_M_TRIM_THRESHOLD, _LARGEST_SPARE_BYTES),
        (_M_TOP_PAD, _STEP_BYTES),
    )
    results = [mallopt(option, value) for option, value in options]
    return all(results)
