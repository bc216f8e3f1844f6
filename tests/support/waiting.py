"""Waiting for a condition: the one limit that any test waits for what must come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LIMIT_SECONDS = 120
"""Far more than anything takes: who reaches it has failed, however busy the machine."""
POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], object], what: str = "it did not happen") -> None:
    """Return once a condition holds; fails past the limit."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(POLL_SECONDS)


async def wait_until_async(
    condition: Callable[[], object], what: str = "it did not happen"
) -> None:
    """As wait_until, letting other tasks run."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(POLL_SECONDS)
