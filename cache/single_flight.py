"""One computation a key: whoever asks while it runs shares its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class SingleFlight(Generic[Value]):
    """For one event loop. A failure reaches everybody who waited, and is not remembered."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Value]] = {}

    async def run(self, key: str, work: Callable[[], Awaitable[Value]]) -> Value:
        """work's value, computed once for all concurrent callers of a key.

        A caller that is cancelled leaves the computation running for the others.
        """
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(_awaited(work))
            self._running[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    def _finished(self, key: str, task: asyncio.Task[Value]) -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, even where every caller has left


async def _awaited(work: Callable[[], Awaitable[Value]]) -> Value:
    return await work()
