"""Limits by client: which requests run, wait or are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.support.asking import ask, scope_of
from tileserver.errors import TooManyRequests
from tileserver.middleware.api_keys import Grant
from tileserver.middleware.client_limits import ClientLimits, ClientSlots, client_of, slot_of
from tileserver.settings.operation import AccessSettings


def shares(**values: float) -> AccessSettings:
    return AccessSettings.model_validate(values)


async def settled(*awaitables: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    tasks = [asyncio.ensure_future(a) for a in awaitables]
    await asyncio.sleep(0)
    return tasks


def test_beyond_its_share_a_client_waits_and_the_newest_goes_first() -> None:
    async def main() -> None:
        slots = ClientSlots(shares(client_requests=1))
        await slots.acquire("a")
        older, newer = await settled(slots.acquire("a"), slots.acquire("a"))
        await slots.acquire("b")
        assert not older.done()
        assert not newer.done()
        slots.release("a")
        await newer
        assert not older.done()
        slots.release("a")
        await older
        slots.release("a")
        slots.release("b")
        assert len(slots) == 0, "a client is forgotten with its last request"

    asyncio.run(main())


def test_of_too_many_waiting_the_oldest_is_refused() -> None:
    async def main() -> None:
        slots = ClientSlots(shares(client_requests=1, client_waiting=2))
        await slots.acquire("a")
        oldest, *rest = await settled(*(slots.acquire("a") for _ in range(3)))
        with pytest.raises(TooManyRequests):
            await oldest
        assert not any(task.done() for task in rest)
        for task in reversed(rest):
            slots.release("a")
            await task

    asyncio.run(main())


def test_nobody_waits_longer_than_allowed() -> None:
    async def main() -> None:
        slots = ClientSlots(shares(client_requests=1, wait_seconds=0.01))
        await slots.acquire("a")
        with pytest.raises(TooManyRequests):
            await slots.acquire("a")
        slots.release("a")
        assert len(slots) == 0

    asyncio.run(main())


@example([*zip("tttttctc", (5, 2, 6, 3, 7, 3, 6, 3), strict=True)])  # full as the oldest leaves
@given(st.lists(st.tuples(st.sampled_from("tgc"), st.integers(0, 7)), max_size=60))
def test_no_turn_is_ever_lost_or_made_up(happenings: list[tuple[str, int]]) -> None:
    """Taking, giving back and cancelling in any order: never more than the share runs."""

    async def main() -> None:
        slots = ClientSlots(shares(client_requests=2, client_waiting=3))
        tasks: list[asyncio.Task[None]] = []
        returned: set[asyncio.Task[None]] = set()

        def running() -> list[asyncio.Task[None]]:
            granted = [t for t in tasks if t.done() and not t.cancelled() and not t.exception()]
            return [task for task in granted if task not in returned]

        for what, number in happenings:
            if what == "t":
                tasks.append(asyncio.ensure_future(slots.acquire("a")))
            elif what == "g" and running():
                returned.add(running()[0])
                slots.release("a")
            elif what == "c" and number < len(tasks):
                tasks[-1 - number].cancel()
            if number % 2:
                await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(running()) <= 2
        while running():
            for task in running():
                returned.add(task)
                slots.release("a")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert all(task.done() for task in tasks), "whoever waited had a turn"
        assert len(slots) == 0

    asyncio.run(main())


def limited(**values: float) -> tuple[ClientLimits, asyncio.Event, list[str]]:
    gate, refused = asyncio.Event(), list[str]()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await PlainTextResponse("done")(scope, receive, send)

    return ClientLimits(slow, shares(**values), refused.append), gate, refused


def test_requests_are_bounded_in_all_and_health_is_not_counted() -> None:
    async def main() -> None:
        app, gate, refused = limited(requests=2)
        running = [asyncio.ensure_future(ask(app, scope_of("/a", f"10.0.0.{i}"))) for i in (1, 2)]
        await asyncio.sleep(0)
        answer = await ask(app, scope_of("/a", "10.0.0.3"))
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert refused == ["requests"]
        health = asyncio.ensure_future(ask(app, scope_of("/healthz")))
        gate.set()
        assert [a.status for a in await asyncio.gather(*running, health)] == [200] * 3
        assert (await ask(app, scope_of("/a"))).status == 200
        assert len(app.slots) == 0

    asyncio.run(main())


def test_a_refused_path_forges_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        app, gate, _ = limited(requests=1)
        running = asyncio.ensure_future(ask(app, scope_of("/a")))
        await asyncio.sleep(0)
        await ask(app, scope_of(f"/x%0A2026-01-01%20INFO%1b[31m%20forged{'y' * 10_000}/info"))
        gate.set()
        await running

    asyncio.run(main())
    (line,) = (r.message for r in caplog.records if r.name == "tileserver.middleware.client_limits")
    assert line.isprintable()
    assert line.startswith("x%0A2026-01-01 INFO%1B%5B31m forged")
    assert len(line) < 1000


def test_one_client_cannot_take_all_of_it() -> None:
    async def main() -> None:
        app, gate, refused = limited(client_requests=2, client_waiting=3)
        greedy = [asyncio.ensure_future(ask(app, scope_of("/a"))) for _ in range(10)]
        await asyncio.sleep(0)
        other = asyncio.ensure_future(ask(app, scope_of("/a", "10.0.0.2")))
        await asyncio.sleep(0)
        gate.set()
        assert (await other).status == 200
        answers = [await task for task in greedy]
        assert sorted(a.status for a in answers) == [200] * 5 + [429] * 5
        assert {a.headers["retry-after"] for a in answers if a.status == 429} == {"1"}
        assert refused == ["client"] * 5

    asyncio.run(main())


def test_a_tile_that_need_not_be_made_waits_for_no_turn() -> None:
    async def main() -> None:
        gate, refused = asyncio.Event(), list[str]()

        async def tiles(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/a/1/0/0.png":
                async with slot_of(scope):
                    await gate.wait()
            await PlainTextResponse("done")(scope, receive, send)

        app = ClientLimits(tiles, shares(client_requests=1, client_waiting=1), refused.append)
        made = [asyncio.ensure_future(ask(app, scope_of("/a/1/0/0.png"))) for _ in range(2)]
        await asyncio.sleep(0)
        assert (await ask(app, scope_of("/a/2/0/0@2x.png"))).status == 200
        assert not any(task.done() for task in made)
        gate.set()
        assert [answer.status for answer in await asyncio.gather(*made)] == [200, 200]
        assert len(app.slots) == 0
        assert not refused

    asyncio.run(main())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_a_client_is_an_address_or_a_network_of_one_customer(
    one: str, other: str, same: bool
) -> None:
    assert (client_of(scope_of("/", one)) == client_of(scope_of("/", other))) == same


def test_visitors_who_share_a_key_have_shares_of_their_own() -> None:
    scopes = [scope_of("/", address) for address in ("10.0.0.1", "10.0.0.2")]
    for scope in scopes:
        scope["state"]["grant"] = Grant("town", frozenset())
    assert client_of(scopes[0]) != client_of(scopes[1])
    assert client_of(scopes[0]) != client_of(scope_of("/", "10.0.0.1"))
