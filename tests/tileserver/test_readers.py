from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.support.waiting import LIMIT_SECONDS, wait_until_async
from tileserver.errors import Overloaded, SourceUnavailable
from tileserver.readers import READERS, Readers


def test_a_source_that_hangs_holds_up_no_other_and_is_soon_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readers, gate, begun = Readers(9, hang_seconds=60), threading.Event(), list[int]()

    def hang() -> None:
        begun.append(1)
        gate.wait(LIMIT_SECONDS)

    async def scenario() -> None:
        stuck = [asyncio.create_task(readers.run("slow", hang)) for _ in range(READERS + 2)]
        await wait_until_async(lambda: len(begun) == READERS)
        assert await asyncio.wait_for(readers.run("quick", lambda: 7), LIMIT_SECONDS) == 7
        assert not any(task.done() for task in stuck)
        later = time.monotonic() + 61
        monkeypatch.setattr("tileserver.readers.time.monotonic", lambda: later)
        with pytest.raises(SourceUnavailable):
            await readers.run("slow", hang)
        monkeypatch.undo()
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
        await wait_until_async(lambda: len(begun) == 2)
        with pytest.raises(Overloaded):
            await readers.run("one", read, 3)
        tasks[2].cancel()
        await wait_until_async(tasks[2].done)
        later = asyncio.create_task(readers.run("one", read, 4))
        await asyncio.sleep(0)  # it has asked
        gate.set()
        await asyncio.gather(*tasks[:2], later)

    asyncio.run(scenario())
    readers.close()
    assert sorted(begun) == [0, 1, 4], "a read that nobody awaits any more never begins"
