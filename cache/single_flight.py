"""One computation a key: concurrent callers share its result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(eq=False, slots=True)
class _Flight(Generic[Value]):
    task: asyncio.Task[Value]
    waiting: int = 0


class SingleFlight(Generic[Value]):
    """For one event loop. A failure is raised to every waiting caller, and not remembered."""

    def __init__(self) -> None:
        self._running: dict[str, _Flight[Value]] = {}

    async def run(self, key: str, work: Callable[[], Awaitable[Value]]) -> Value:
        """The value of work, computed once for all concurrent callers of a key.

        Cancelling a caller leaves the computation running for the others; cancelling the last one
        cancels it.
        """
        flight = self._running.get(key)
        if flight is None:
            flight = _Flight(asyncio.ensure_future(_awaited(work)))
            self._running[key] = flight
            flight.task.add_done_callback(lambda _: self._finished(key, flight))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.task.done():
                flight.task.cancel()
                self._forget(key, flight)

    def _finished(self, key: str, flight: _Flight[Value]) -> None:
        self._forget(key, flight)
        if not flight.task.cancelled():
            flight.task.exception()  # retrieved, even if every caller was cancelled

    def _forget(self, key: str, flight: _Flight[Value]) -> None:
        """Later callers start a new computation."""
        if self._running.get(key) is flight:
            del self._running[key]


async def _awaited(work: Callable[[], Awaitable[Value]]) -> Value:
    return await work()
