from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tileserver.errors import Overloaded, SourceUnavailable
from tileserver.readers import READERS, Readers


def test_a_source_that_hangs_holds_up_no_other_and_is_soon_refused() -> None:
    readers, gate = Readers(9, hang_seconds=0.2), threading.Event()

    async def scenario() -> None:
        stuck = [asyncio.create_task(readers.run("slow", gate.wait)) for _ in range(READERS + 2)]
        await asyncio.sleep(0.05)
        began = time.monotonic()
        assert await readers.run("quick", lambda: 7) == 7
        assert time.monotonic() - began < 0.2
        await asyncio.sleep(0.3)
        with pytest.raises(SourceUnavailable):
            await readers.run("slow", gate.wait)
        gate.set()
        await asyncio.gather(*stuck)
        assert await readers.run("slow", lambda: 8) == 8, "it recovers by itself"

    asyncio.run(scenario())
    readers.close()


def test_too_many_reads_of_one_source_are_refused_and_departed_ones_make_room() -> None:
    readers, gate, begun = Readers(3, hang_seconds=60), threading.Event(), []

    def read(number: int) -> None:
        begun.append(number)
        gate.wait()

    async def scenario() -> None:
        tasks = [asyncio.create_task(readers.run("one", read, number)) for number in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded):
            await readers.run("one", read, 3)
        tasks[2].cancel()
        await asyncio.sleep(0.05)
        later = asyncio.create_task(readers.run("one", read, 4))
        await asyncio.sleep(0.05)
        gate.set()
        await asyncio.gather(*tasks[:2], later)

    asyncio.run(scenario())
    readers.close()
    assert sorted(begun) == [0, 1, 4], "a read that nobody awaits any more never begins"
