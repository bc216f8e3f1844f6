from __future__ import annotations

import asyncio
import threading

import pytest

from tileserver.errors import Overloaded, SourceUnavailable
from tileserver.readers import READERS, Readers


def test_a_source_that_hangs_holds_up_no_other_and_is_soon_refused() -> None:
    readers, gate, begun = Readers(9, hang_seconds=1), threading.Event(), list[int]()

    def hang() -> None:
        begun.append(1)
        gate.wait(60)

    async def scenario() -> None:
        stuck = [asyncio.create_task(readers.run("slow", hang)) for _ in range(READERS + 2)]
        while len(begun) < READERS:
            await asyncio.sleep(0.01)
        assert await asyncio.wait_for(readers.run("quick", lambda: 7), 30) == 7
        assert not any(task.done() for task in stuck)
        await asyncio.sleep(1.1)
        with pytest.raises(SourceUnavailable):
            await readers.run("slow", hang)
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
