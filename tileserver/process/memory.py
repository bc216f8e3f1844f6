"""glibc's arenas: one a thread by default, each holding on to what it once had.

MALLOC_ARENA_MAX is read before a process runs a line of its own code, so setting it from within
has no effect (measured: 9 arenas for 9 threads with and without); mallopt has (2).

And its threshold: arrays that are larger go back to the system when they are freed. By default it
rises to 32 MiB with use, windows of many sizes then share a heap that only ever grows (12 % in
ten minutes of 16 viewers); fixed at 4 MiB a tile takes 5 to 8 % longer to draw. What lies free
between smaller things is given back every quarter of a minute.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys

ARENAS = 2
"""One for the event loop, one for those who draw; titiler users measured 27 % less memory."""
M_ARENA_MAX = -8  # malloc.h
M_MMAP_THRESHOLD = -3
LARGE_BYTES = 4 * 2**20
TRIM_SECONDS = 15


def bound_arenas() -> bool:
    """Whether it is bounded now: not where the C library is another, or the user has chosen."""
    if not sys.platform.startswith("linux") or "MALLOC_ARENA_MAX" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
    return mallopt is not None and mallopt(M_ARENA_MAX, ARENAS) == 1


async def keep_trimmed() -> None:
    """Give free pages inside the heaps back to the system, again and again, until cancelled."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        await asyncio.sleep(TRIM_SECONDS)
        await asyncio.to_thread(trim, 0)
