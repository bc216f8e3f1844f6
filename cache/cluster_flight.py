"""One computation a key in several processes: the holder of the lease computes, others wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from cache.breaker import Breaker

FIRST_PAUSE_SECONDS = 0.025
LONGEST_PAUSE_SECONDS = 0.1
"""Between polls of a lease that another process holds; half of it is the mean added latency."""

Value = TypeVar("Value")


class LeaseHolder(Protocol):
    """Of all who ask for a key, one has its lease at a time; all have it where the service fails.

    Met by Leases (in Redis) and FileLeases (in a folder).
    """

    lost: int
    """Leases that another process took while their holder worked."""

    @property
    def breaker(self) -> Breaker: ...

    def held(self, key: str) -> AbstractAsyncContextManager[bool]:
        """Whether the lease was to be had: if so it is held to the block's end."""

    async def taken(self, key: str) -> bool:
        """Whether anybody holds a key's lease."""

    async def close(self) -> None: ...


class ClusterFlight:
    """For one event loop, behind the process's own single flight.

    work must put its value into a store that the processes share before it returns. Cancelling a
    caller cancels its work and releases the lease.
    """

    def __init__(self, leases: LeaseHolder) -> None:
        self.leases = leases
        self.waited = 0
        """Values that another process was already computing."""

    async def run(
        self,
        key: str,
        look_up: Callable[[], Awaitable[Value | None]],
        work: Callable[[], Awaitable[Value]],
    ) -> Value:
        """The value that look_up finds in the shared store, else the one that work computes.

        While the leases' service fails every process computes. A failure of work is raised to this
        caller alone; the next waiting process computes for itself.
        """
        waited = False
        while True:
            async with self.leases.held(key) as held:
                if held:
                    value = await look_up()  # stored while we asked for the lease
                    return await work() if value is None else value
            self.waited += not waited
            waited = True
            await self._until_free(key)
            value = await look_up()
            if value is not None:
                return value

    async def close(self) -> None:
        await self.leases.close()

    async def _until_free(self, key: str) -> None:
        pause = FIRST_PAUSE_SECONDS
        await asyncio.sleep(pause)
        while await self.leases.taken(key):
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
