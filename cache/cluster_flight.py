"""One computation a key in all servers: the holder of the lease computes, the others wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cache.lease import Leases

FIRST_PAUSE_SECONDS = 0.025
LONGEST_PAUSE_SECONDS = 0.1
"""Between polls of a lease that another server holds; half of it is the mean added latency."""

Value = TypeVar("Value")


class ClusterFlight:
    """For one event loop, behind the process's own single flight.

    work must put its value into a store that the servers share before it returns. Cancelling a
    caller cancels its work and releases the lease.
    """

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.waited = 0
        """Values that another server was already computing."""

    async def run(
        self,
        key: str,
        look_up: Callable[[], Awaitable[Value | None]],
        work: Callable[[], Awaitable[Value]],
    ) -> Value:
        """The value that look_up finds in the shared store, else the one that work computes.

        Without Redis every server computes. A failure of work is raised to this caller alone;
        the next waiting server computes for itself.
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
