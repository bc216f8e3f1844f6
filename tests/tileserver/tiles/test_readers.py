from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.support.waiting import LIMIT_SECONDS, wait_until_async
from tileserver.errors import Overloaded, SourceUnavailable
from tileserver.tiles.readers import SHARE, Readers


def test_a_source_that_hangs_holds_up_no_other_and_is_soon_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readers, gate, begun = Readers(9, hang_seconds=60), threading.Event(), list[int]()

    def hang() -> None:
        begun.append(1)
        gate.wait(LIMIT_SECONDS)

    async def scenario() -> None:
        stuck = [asyncio.create_task(readers.run("slow", hang)) for _ in range(SHARE + 2)]
        await wait_until_async(lambda: len(begun) == SHARE)
        assert await asyncio.wait_for(readers.run("quick", lambda: 7), LIMIT_SECONDS) == 7
        assert not any(task.done() for task in stuck)
        later = time.monotonic() + 61
        monkeypatch.setattr("tileserver.tiles.readers.time.monotonic", lambda: later)
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
        gate.wait(LIMIT_SECONDS)

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


def test_many_sources_share_few_threads_in_turn() -> None:
    readers, gate, begun = Readers(9, hang_seconds=60, threads=4), threading.Event(), list[str]()
    names = set[str]()

    def read(source: str) -> str:
        begun.append(source)
        names.add(threading.current_thread().name)
        gate.wait(LIMIT_SECONDS)
        return source

    async def scenario() -> None:
        sources = [f"source {number}" for number in range(30)]
        tasks = [asyncio.create_task(readers.run(id, read, id)) for id in sources for _ in range(3)]
        await wait_until_async(lambda: len(begun) == 4)
        gate.set()
        assert await asyncio.gather(*tasks) == [id for id in sources for _ in range(3)]

    asyncio.run(scenario())
    readers.close()
    assert len(begun) == 90
    assert len(set(begun[:36])) == 30, "one of each source before the next of any"
    assert len(names) < 20, "about as many as read at a time, not two a source"
    assert not readers._sources, "nothing is asked any more"


def test_reads_that_hang_take_no_thread_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tileserver.tiles.readers.SLOW_SECONDS", 0.05)
    readers, gate, begun = Readers(9, hang_seconds=60, threads=4), threading.Event(), list[int]()

    def hang() -> None:
        begun.append(1)
        gate.wait(LIMIT_SECONDS)

    async def scenario() -> None:
        stuck = [
            asyncio.create_task(readers.run(f"slow {number}", hang))
            for number in range(5)
            for _ in range(SHARE + 1)
        ]
        await wait_until_async(lambda: len(begun) == 5 * SHARE)
        assert await asyncio.wait_for(readers.run("quick", lambda: 7), LIMIT_SECONDS) == 7
        await wait_until_async(lambda: readers.slow == 5 * SHARE)
        assert len(begun) == 5 * SHARE, "a source has its share and no more"
        gate.set()
        await asyncio.gather(*stuck)

    asyncio.run(scenario())
    readers.close()
    assert readers.slow == 0


def test_a_read_s_error_is_its_caller_s_and_the_thread_goes_on() -> None:
    readers = Readers(9, hang_seconds=60, threads=1)

    async def scenario() -> None:
        with pytest.raises(ZeroDivisionError):
            await readers.run("one", lambda: 1 // 0)
        assert await readers.run("one", lambda: 7) == 7

    asyncio.run(scenario())
    readers.close()


def test_what_waits_at_the_end_is_dropped() -> None:
    readers, gate, begun = Readers(9, hang_seconds=60), threading.Event(), list[int]()

    def read() -> None:
        begun.append(1)
        gate.wait(LIMIT_SECONDS)

    async def scenario() -> None:
        tasks = [asyncio.create_task(readers.run("one", read)) for _ in range(5)]
        await wait_until_async(lambda: len(begun) == SHARE)
        readers.close()
        gate.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in ended] == [type(None)] * SHARE + [asyncio.CancelledError] * 3
        with pytest.raises(Overloaded):
            await readers.run("one", read)

    asyncio.run(scenario())
    assert len(begun) == SHARE
