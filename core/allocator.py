"""The C library's allocator, where its habits cost much: glibc's, on Linux. With any other nothing is done."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

# mallopt(3)
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_LARGEST_BLOCK_BYTES = 2**30
_LARGEST_SPARE_BYTES = 2**31 - 1
_STEP_BYTES = 64 * 2**20


def keep_freed_memory() -> bool:
    """Reuse large blocks from here on; false, and nothing changed, where there is another C library.

    glibc gives every large block back to the system when it is freed, and the system clears each page again at its next
    use: a tenth of the time that a segment of htdemucs takes in float32. The blocks of one segment are those of the
    next, so keeping them costs nothing beyond the peak.
    """
    if (glibc := _glibc()) is None:
        return False
    options = (
        (_M_ARENA_MAX, 1),  # a thread's own arena could not hold such blocks
        (_M_MMAP_THRESHOLD, _LARGEST_BLOCK_BYTES),
        (_M_TRIM_THRESHOLD, _LARGEST_SPARE_BYTES),
        (_M_TOP_PAD, _STEP_BYTES),
    )
    results = [glibc.mallopt(option, value) for option, value in options]
    return all(results)


def give_back_freed_memory() -> None:
    """Return to the system, once, what is free within the heaps.

    Where several threads pass on blocks of megabytes, glibc finds ever less room for the next ones between those that
    it holds: a process that never uses more than 300 MB has grown to 970 after an hour of song.
    """
    if (glibc := _glibc()) is not None:
        glibc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
