"""The memory that maps share."""

from __future__ import annotations

import asyncio

import pytest

from tileserver.tiles.maps.service import SharedMemory


def test_maps_wait_for_memory_in_the_order_in_which_they_came() -> None:
    order: list[str] = []

    async def hold(memory: SharedMemory, name: str, wanted: int, until: asyncio.Event) -> None:
        async with memory.hold(wanted):
            order.append(name)
            await until.wait()

    async def scenario() -> None:
        memory = SharedMemory(10)
        first, others = asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(hold(memory, "first", 6, first))]
        tasks.append(asyncio.create_task(hold(memory, "large", 10, others)))
        tasks.append(asyncio.create_task(hold(memory, "small", 1, others)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert order == ["first"], "the small one does not overtake the large one for ever"
        first.set()
        others.set()
        await asyncio.gather(*tasks)
        assert order == ["first", "large", "small"]

    asyncio.run(scenario())


@pytest.mark.parametrize("granted", [False, True])
def test_a_map_that_nobody_waits_for_gives_its_memory_back(granted: bool) -> None:
    async def hold(memory: SharedMemory) -> None:
        async with memory.hold(10):
            await asyncio.Event().wait()

    async def scenario() -> None:
        memory = SharedMemory(10)
        holder = asyncio.create_task(hold(memory))
        await asyncio.sleep(0)
        waiter = asyncio.create_task(hold(memory))
        await asyncio.sleep(0)
        if granted:  # both in one turn of the loop: it has the memory before it runs again
            holder.cancel()
            await asyncio.wait([holder])
            waiter.cancel()
        else:
            waiter.cancel()
            await asyncio.wait([waiter])
            holder.cancel()
        await asyncio.wait([holder, waiter])
        async with asyncio.timeout(10), memory.hold(10):
            pass
        async with asyncio.timeout(10), memory.hold(1000):  # more than there is: all of it
            pass

    asyncio.run(scenario())
