"""The memory that maps share."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest

from tests.support.waiting import LIMIT_SECONDS, wait_until_async
from tileserver.app import make_app
from tileserver.settings.server import Settings
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.maps import service
from tileserver.tiles.maps.area import Area
from tileserver.tiles.maps.reference_systems import find_system
from tileserver.tiles.maps.request import AskedMap
from tileserver.tiles.maps.service import MapService, SharedMemory
from tileserver.tiles.request import TileOptions


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


def test_a_map_keeps_the_memory_of_its_bytes_until_it_is_released() -> None:
    async def fail(memory: SharedMemory) -> None:
        async with memory.hold(7) as share:
            share.keep(7)
            raise KeyError

    async def take_all(memory: SharedMemory) -> None:
        async with memory.hold(10):
            assert memory._left_bytes == 0

    async def scenario() -> None:
        memory = SharedMemory(10)
        async with memory.hold(8) as share:
            share.keep(3)
        with pytest.raises(KeyError):
            await fail(memory)
        assert memory._left_bytes == 7, "who fails keeps nothing"
        waiting = asyncio.create_task(take_all(memory))
        await asyncio.sleep(0)
        assert not waiting.done()
        for _ in range(2):  # twice frees it once
            share.release()
        await asyncio.wait_for(waiting, LIMIT_SECONDS)
        assert memory._left_bytes == 10

    asyncio.run(scenario())


def test_a_map_takes_its_memory_until_its_thread_has_ended(
    config_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, gate = Event(), Event()

    def wait(*_: object) -> bytes:
        begun.set()
        gate.wait(LIMIT_SECONDS)
        return b""

    monkeypatch.setattr(service, "_make_empty", wait)
    area = Area(find_system("EPSG:3857"), (0, 0, 1, 1), 100, 100)
    options = TileOptions(format=ImageFormat.png)
    asked = AskedMap(source_id="yellowstone", area=area, options=options)

    async def scenario() -> None:
        maps = MapService(make_app(config_settings).state.tiles)
        memory = maps._memory
        left = memory._left_bytes
        drawing = asyncio.create_task(maps.draw_nothing(asked))
        await wait_until_async(begun.is_set)
        drawing.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert memory._left_bytes == left - 4 * 4 * 100 * 100
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await drawing
        assert memory._left_bytes == left
        maps.close()

    asyncio.run(scenario())
