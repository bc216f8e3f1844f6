"""One computation a key in the cluster: whoever gets the lease works, the others wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cache.lease import Leases

FIRST_PAUSE_SECONDS = 0.025
LONGEST_PAUSE_SECONDS = 0.1
"""Between two looks at a lease that another server holds: half of it is what waiting adds."""

Value = TypeVar("Value")


class ClusterFlight:
    """For one event loop, behind the process's own single flight.

    A value must be in a store that the servers share before work is over. Cancelling a caller
    cancels its work and frees the key.
    """

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.waited = 0
        """Values that another server was already working for."""

    async def run(
        self,
        key: str,
        found: Callable[[], Awaitable[Value | None]],
        work: Callable[[], Awaitable[Value]],
    ) -> Value:
        """What found gives, if need be after somebody's work; without Redis work's value.

        A failure of work reaches this caller alone: the next who waits tries for itself.
        """
        waited = False
        while True:
            async with self.leases.held(key) as held:
                if held:
                    value = await found()  # made while we asked for the lease
                    return await work() if value is None else value
            self.waited += not waited
            waited = True
            await self._until_free(key)
            value = await found()
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
