"""glibc's arenas: one a thread by default, each holding on to what it once had.

MALLOC_ARENA_MAX is read before a process runs a line of its own code, so setting it from within
has no effect (measured: 9 arenas for 9 threads with and without); mallopt has (2).
"""

from __future__ import annotations

import ctypes
import os
import sys

ARENAS = 2
"""One for the event loop, one for those who draw; titiler users measured 27 % less memory."""
M_ARENA_MAX = -8  # malloc.h


def bound_arenas() -> bool:
    """Whether it is bounded now: not where the C library is another, or the user has chosen."""
    if not sys.platform.startswith("linux") or "MALLOC_ARENA_MAX" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(M_ARENA_MAX, ARENAS) == 1
