"""Leases in Redis: of all servers that ask for a key, one has it at a time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
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
        name, token = self.prefix + key, secrets.token_hex(16)
        if not await self._answer(lambda: self._take(name, token), True):
            yield False
            return
        renewing = asyncio.create_task(self._renew(name, token))
        try:
            yield True
        finally:
            renewing.cancel()
            await asyncio.shield(self._release(name, token, renewing))

    async def taken(self, key: str) -> bool:
        """Whether anybody holds a key's lease."""
        return bool(await self._answer(lambda: self._client.exists(self.prefix + key), 0))

    async def close(self) -> None:
        await self._client.aclose()

    async def _take(self, name: str, token: str) -> bool:
        return bool(await self._client.set(name, token, nx=True, px=self._milliseconds))

    async def _renew(self, name: str, token: str) -> None:
        kept = 1
        while kept:
            await asyncio.sleep(self.lease_seconds / 3)
            kept = await self._answer(
                lambda: self._client.eval(_RENEW, 1, name, token, str(self._milliseconds)), 1
            )
        self.lost += 1

    async def _release(self, name: str, token: str, renewing: asyncio.Task[None]) -> None:
        await asyncio.wait([renewing])  # or it would take again what is given back
        await self._answer(lambda: self._client.eval(_RELEASE, 1, name, token), None)

    @property
    def _milliseconds(self) -> int:
        return int(self.lease_seconds * 1000)

    async def _answer(self, ask: Callable[[], Awaitable[Any]], default: Any) -> Any:
        """Redis's answer; default where it is away."""
        if not self.breaker.allows():
            return default
        try:
            answer = await ask()
        except self.breaker.errors as error:
            self.breaker.record_failure(error)
            return default
        self.breaker.record_success()
        return answer
