"""Leases in Redis: of all servers that ask for a key, one has it at a time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from cache.breaker import Breaker

LEASE_SECONDS = 3.0
"""How long a key stays taken after its holder was killed; a living one renews it three times in
that time, so that a busy event loop does not lose it."""
ANSWER_SECONDS = 1.0
"""Counted by the event loop, which may itself be late: longer than the stores', whose threads wait
for the socket alone."""
CONNECTIONS = 4
"""Each is busy for less than a millisecond a call."""

_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end"
_RENEW = """
local holder = redis.call('get', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return 1
"""
"""A Redis that restarted has forgotten the lease: it is acquired again. redis-py's Lock would count
it as lost, and never renews by itself."""


class Leases:
    """For one event loop. Where Redis is away every lease is granted: each server works alone."""

    def __init__(
        self, url: str, prefix: str = "overzoom:", lease_seconds: float = LEASE_SECONDS
    ) -> None:
        """url as RedisStore takes it; raises ValueError. Connects late."""
        self.prefix, self.lease_seconds = f"{prefix}lease:", lease_seconds
        self.lost = 0
        """Leases that another server took while their holder worked."""
        self.breaker = Breaker("Redis leases", (RedisError, OSError))
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 1, (redis.ConnectionError,)),
        )
        self._client = redis.Redis.from_pool(pool)

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[bool]:
        """Whether the lease was to be had: if so it is held, and renewed, to the block's end."""
        name, token, left = self.prefix + key, secrets.token_hex(16), asyncio.Event()
        taking = asyncio.create_task(self._answer(lambda: self._take(name, token), True))
        holding = asyncio.create_task(self._hold(name, token, taking, left))
        try:
            yield await asyncio.shield(taking)
        finally:
            left.set()
            await asyncio.shield(holding)

    async def taken(self, key: str) -> bool:
        """Whether anybody holds a key's lease."""
        return bool(await self._answer(lambda: self._client.exists(self.prefix + key), 0))

    async def close(self) -> None:
        await self._client.aclose()

    async def _take(self, name: str, token: str) -> bool:
        return bool(await self._client.set(name, token, nx=True, px=self._milliseconds))

    async def _hold(
        self, name: str, token: str, taking: asyncio.Task[bool], left: asyncio.Event
    ) -> None:
        """Renew a lease that is taken until it is left, then release it.

        This task is told, not cancelled: a lease is given back after its last renewal has ended,
        and also where its caller was cancelled while it was being taken.
        """
        if not await taking:
            return
        while not left.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self.lease_seconds / 3):
                    await left.wait()
                break
            if not await self._answer(lambda: self._renew(name, token), 1):
                self.lost += 1
                return
        await self._answer(lambda: self._client.eval(_RELEASE, 1, name, token), None)

    async def _renew(self, name: str, token: str) -> bool:
        return bool(await self._client.eval(_RENEW, 1, name, token, str(self._milliseconds)))

    @property
    def _milliseconds(self) -> int:
        return int(self.lease_seconds * 1000)

    async def _answer(self, ask: Callable[[], Awaitable[Any]], default: Any) -> Any:
        """Redis's answer; default where it is away.

        A cancelled caller leaves the call to end by itself: redis-py may swallow a cancellation
        (asyncio.wait_for does in Python 3.11), and closes the connection where it does not.
        """
        if not self.breaker.allows():
            return default
        try:
            answer = await asyncio.shield(ask())
        except self.breaker.errors as error:
            self.breaker.record_failure(error)
            return default
        self.breaker.record_success()
        return answer
