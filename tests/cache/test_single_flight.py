from __future__ import annotations

import asyncio

import pytest

from cache import SingleFlight


def test_concurrent_callers_share_one_computation() -> None:
    async def scenario() -> None:
        flights: SingleFlight[int] = SingleFlight()
        gate, computed = asyncio.Event(), 0

        async def work() -> int:
            nonlocal computed
            computed += 1
            mine = computed
            await gate.wait()
            return mine

        callers = [asyncio.create_task(flights.run("key", work)) for _ in range(20)]
        other = asyncio.create_task(flights.run("other", work))
        await asyncio.sleep(0)
        gate.set()
        assert await asyncio.gather(*callers) == [1] * 20
        assert await other == 2, "another key, another computation"
        assert await flights.run("key", work) == 3, "what is finished is not remembered"

    asyncio.run(scenario())


def test_a_failure_reaches_every_caller_and_is_forgotten() -> None:
    async def scenario() -> None:
        flights: SingleFlight[int] = SingleFlight()

        async def fail() -> int:
            await asyncio.sleep(0)
            raise RuntimeError("broken")

        async def work() -> int:
            return 1

        outcomes = await asyncio.gather(
            *(flights.run("key", fail) for _ in range(3)), return_exceptions=True
        )
        assert [str(outcome) for outcome in outcomes] == ["broken"] * 3
        assert await flights.run("key", work) == 1

    asyncio.run(scenario())


def test_a_caller_that_leaves_does_not_stop_the_others() -> None:
    async def scenario() -> None:
        flights: SingleFlight[int] = SingleFlight()
        gate = asyncio.Event()

        async def work() -> int:
            await gate.wait()
            return 5

        leaving = asyncio.create_task(flights.run("key", work))
        staying = asyncio.create_task(flights.run("key", work))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        gate.set()
        assert await staying == 5

    asyncio.run(scenario())


def test_when_the_last_caller_leaves_the_work_stops_and_a_later_one_starts_anew() -> None:
    async def scenario() -> None:
        flights: SingleFlight[int] = SingleFlight()
        stopped = asyncio.Event()

        async def endless() -> int:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                stopped.set()
                raise
            return 0

        async def work() -> int:
            return 5

        callers = [asyncio.create_task(flights.run("key", endless)) for _ in range(2)]
        await asyncio.sleep(0)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        assert await flights.run("key", work) == 5
        assert stopped.is_set()

    asyncio.run(scenario())
