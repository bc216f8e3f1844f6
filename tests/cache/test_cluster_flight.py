"""Several servers, one Redis: which one computes, and what happens when it dies."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cache.cluster_flight import ClusterFlight
from cache.lease import LEASE_SECONDS, Leases
from cache.redis import RedisStore
from tests.support.services import RedisServer
from tests.support.waiting import LIMIT_SECONDS, wait_until, wait_until_async


@asynccontextmanager
async def flight(url: str, lease_seconds: float = LEASE_SECONDS) -> AsyncIterator[ClusterFlight]:
    flight = ClusterFlight(Leases(url, lease_seconds=lease_seconds))
    try:
        yield flight
    finally:
        await flight.close()


async def nothing() -> bytes | None:
    return None


def made(value: bytes, seconds: float = 0) -> Callable[[], Awaitable[bytes]]:
    async def work() -> bytes:
        await asyncio.sleep(seconds)
        return value

    return work


class Shared:
    """A store that all share, and a record of who made what."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.made: list[str] = []

    def found(self, key: str) -> Callable[[], Awaitable[bytes | None]]:
        async def found() -> bytes | None:
            return self.values.get(key)

        return found

    def work(self, key: str, seconds: float) -> Callable[[], Awaitable[bytes]]:
        async def work() -> bytes:
            self.made.append(key)
            await asyncio.sleep(seconds)
            self.values[key] = key.encode()
            return self.values[key]

        return work


def test_many_servers_make_each_key_once(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        shared = Shared()
        flights = [ClusterFlight(Leases(redis_server.url)) for _ in range(4)]
        keys = [f"key{number}" for number in range(25)]
        answers = await asyncio.gather(
            *(f.run(k, shared.found(k), shared.work(k, 0.05)) for k in keys for f in flights)
        )
        assert answers == [key.encode() for key in keys for _ in flights]
        assert sorted(shared.made) == sorted(keys)
        assert sum(f.waited for f in flights) > 0
        assert redis_server.client.keys("overzoom:lease:*") == [], "all given back"
        for each in flights:
            await each.close()

    asyncio.run(scenario())


def test_a_slow_holder_keeps_its_lease(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        shared, renewed = Shared(), asyncio.Event()

        async def work() -> bytes:
            shared.made.append("k")
            await renewed.wait()
            shared.values["k"] = b"k"
            return b"k"

        async with flight(redis_server.url) as first, flight(redis_server.url) as second:
            slow = asyncio.create_task(first.run("k", shared.found("k"), work))
            await wait_until_async(lambda: redis_server.client.exists("overzoom:lease:k"))
            waiting = asyncio.create_task(second.run("k", shared.found("k"), work))
            aged_ms = 1000 * LEASE_SECONDS - 200
            await wait_until_async(lambda: redis_server.client.pttl("overzoom:lease:k") < aged_ms)
            await wait_until_async(lambda: redis_server.client.pttl("overzoom:lease:k") > aged_ms)
            await wait_until_async(lambda: second.waited)
            renewed.set()
            assert await waiting == b"k"
            assert await slow == b"k"
            assert shared.made == ["k"]
            assert second.waited == 1
            assert first.leases.lost == 0

    asyncio.run(scenario())


def test_a_failure_frees_the_key_for_the_next(redis_server: RedisServer) -> None:
    async def fail() -> bytes:
        await asyncio.sleep(0.1)
        raise RuntimeError("broken")

    async def scenario() -> None:
        long = {"lease_seconds": 10.0 * LIMIT_SECONDS}  # nobody lives to see one end by itself
        async with (
            flight(redis_server.url, **long) as first,
            flight(redis_server.url, **long) as second,
        ):
            failing = asyncio.create_task(first.run("k", nothing, fail))
            await wait_until_async(lambda: redis_server.client.exists("overzoom:lease:k"))
            work = second.run("k", nothing, made(b"v"))
            assert await asyncio.wait_for(work, LIMIT_SECONDS) == b"v"
            with pytest.raises(RuntimeError, match="broken"):
                await failing

    asyncio.run(scenario())


def test_a_cancelled_holder_frees_the_key_at_once(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        long = {"lease_seconds": 10.0 * LIMIT_SECONDS}  # nobody lives to see one end by itself
        async with (
            flight(redis_server.url, **long) as first,
            flight(redis_server.url, **long) as second,
        ):
            leaving = asyncio.create_task(first.run("k", nothing, made(b"never", LIMIT_SECONDS)))
            await wait_until_async(lambda: redis_server.client.exists("overzoom:lease:k"))
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            work = second.run("k", nothing, made(b"v"))
            assert await asyncio.wait_for(work, LIMIT_SECONDS) == b"v"

    asyncio.run(scenario())


def test_nobody_gives_back_the_lease_of_another(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with flight(redis_server.url, lease_seconds=0.3) as first:
            async with first.leases.held("k") as held:
                assert held
                redis_server.client.set("overzoom:lease:k", "another")
                await wait_until_async(lambda: first.leases.lost)
            assert first.leases.lost == 1
            assert redis_server.client.get("overzoom:lease:k") == b"another"

    asyncio.run(scenario())


def test_a_lease_that_is_left_while_it_is_renewed_is_given_back(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Leases, "_milliseconds", 600_000)  # it ends by being given back alone

    async def scenario() -> None:
        async with flight(redis_server.url, lease_seconds=0.003) as first:  # renewed all the time
            for number in range(300):
                async with asyncio.timeout(LIMIT_SECONDS), first.leases.held(f"k{number}") as held:
                    assert held
                    await asyncio.sleep(0.0009 + number % 40 * 0.00002)
            assert not [key for key in range(300) if await first.leases.taken(f"k{key}")]

    asyncio.run(scenario())


def test_a_caller_that_leaves_while_it_takes_a_lease_keeps_it_from_nobody(
    redis_server: RedisServer,
) -> None:
    async def scenario() -> None:
        async with flight(redis_server.url, lease_seconds=10.0 * LIMIT_SECONDS) as first:

            async def hold(key: str) -> None:
                async with first.leases.held(key):
                    await asyncio.sleep(LIMIT_SECONDS)

            for number in range(100):
                leaving = asyncio.create_task(hold(f"k{number}"))
                for _ in range(number % 20):
                    await asyncio.sleep(0)
                leaving.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await leaving
            assert not [key for key in range(100) if await first.leases.taken(f"k{key}")]

    asyncio.run(scenario())


def test_without_redis_every_server_works_for_itself() -> None:
    async def scenario() -> None:
        async with flight("redis://127.0.0.1:1/0") as alone:
            alone.leases.breaker.open_seconds = LIMIT_SECONDS
            keys = [f"key{number}" for number in range(100)]
            answers = await asyncio.gather(*(alone.run(k, nothing, made(k.encode())) for k in keys))
            assert answers == [key.encode() for key in keys]
            failures = alone.leases.breaker.failures
            assert await alone.run("later", nothing, made(b"v")) == b"v"
            assert alone.leases.breaker.failures == failures, "who comes later does not even ask"

    asyncio.run(scenario())


def test_a_redis_that_hangs_costs_one_timeout(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cache.lease.ANSWER_SECONDS", 0.5)

    async def scenario() -> None:
        async with flight(own_redis.url) as alone:
            own_redis.client.execute_command("CLIENT", "PAUSE", 60_000, "ALL")
            alone.leases.breaker.open_seconds = LIMIT_SECONDS
            for _ in range(20):
                assert await alone.run("k", nothing, made(b"v")) == b"v"
            assert alone.leases.breaker.failures <= 2, "one for the lease, one to give it back"

    own_redis.start()
    asyncio.run(scenario())


@pytest.mark.slow
def test_redis_killed_and_restarted_under_work_costs_nothing_but_double_work(
    own_redis: RedisServer,
) -> None:
    async def scenario() -> None:
        async with flight(own_redis.url, lease_seconds=0.6) as first:
            back = asyncio.Event()

            async def work() -> bytes:
                await back.wait()
                return b"v"

            working = asyncio.create_task(first.run("k", nothing, work))
            await wait_until_async(lambda: own_redis.client.exists("overzoom:lease:k"))
            own_redis.kill()
            assert await first.run("other", nothing, made(b"o")) == b"o"
            own_redis.start()
            await wait_until_async(lambda: own_redis.client.exists("overzoom:lease:k"))
            back.set()
            assert await working == b"v"
            assert first.leases.lost == 0

    own_redis.start()
    asyncio.run(scenario())


@pytest.mark.slow
def test_processes_make_each_key_once(redis_server: RedisServer, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER, redis_server.url]
    logs = [tmp_path / f"{number}.txt" for number in range(3)]
    workers = [subprocess.Popen([*command, str(log), "0.02", "3", "60"]) for log in logs]
    try:
        assert [worker.wait(LIMIT_SECONDS) for worker in workers] == [0, 0, 0]
    finally:
        for worker in workers:
            worker.kill()
    made_by = [log.read_text().split() for log in logs]
    assert sorted(key for keys in made_by for key in keys) == sorted(f"k{n}" for n in range(60))
    assert sum(1 for keys in made_by if keys) > 1, "more than one of them worked"


@pytest.mark.slow
def test_a_killed_holder_frees_its_key_within_seconds(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    log = tmp_path / "log.txt"
    command = [sys.executable, "-c", WORKER, redis_server.url, str(log), "600", "1", "1"]
    with subprocess.Popen(command) as holder:
        wait_until(lambda: redis_server.client.exists("overzoom:lease:k0"))
        left_ms = redis_server.client.pttl("overzoom:lease:k0")
        wait_until(lambda: redis_server.client.pttl("overzoom:lease:k0") < left_ms - 200)
        wait_until(lambda: redis_server.client.pttl("overzoom:lease:k0") > left_ms - 200)
        holder.send_signal(signal.SIGKILL)

    async def scenario() -> None:
        store = RedisStore(redis_server.url)
        async with flight(redis_server.url) as second:
            assert await second.run("k0", nothing, made(b"v")) == b"v"
            assert second.waited == 1
        store.close()

    asyncio.run(scenario())


WORKER = """
import asyncio, random, sys, time
from pathlib import Path
from cache.cluster_flight import ClusterFlight
from cache.lease import LEASE_SECONDS, Leases
from cache.redis import RedisStore
import cache.lease
import cache.redis
import redis

cache.lease.ANSWER_SECONDS = cache.redis.ANSWER_SECONDS = 60
url, log, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
with redis.Redis.from_url(url) as client:  # all start at once
    client.incr("ready")
    while int(client.get("ready")) < int(sys.argv[4]):
        time.sleep(0.002)
store, made = RedisStore(url), []

async def one(flight, key):
    async def found():
        kept = await asyncio.to_thread(store.get, key)
        return None if kept is None else kept.value
    async def work():
        made.append(key)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(store.put, key, key.encode())
        return key.encode()
    async with few:
        assert await flight.run(key, found, work) == key.encode()

async def main():
    global few
    few = asyncio.Semaphore(4)
    flight = ClusterFlight(Leases(url))
    keys = [f"k{number}" for number in range(int(sys.argv[5]))]
    random.shuffle(keys)
    await asyncio.gather(*(one(flight, key) for key in keys))
    await flight.close()

asyncio.run(main())
log.write_text(" ".join(made))
"""
