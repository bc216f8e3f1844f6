"""The Redis tier: shared by all servers, bounded by Redis itself (maxmemory, allkeys-lru)."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from math import ceil

import redis
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, RedisError
from redis.retry import Retry

from cache.breaker import Breaker, summarise_error
from cache.counter import Counter
from cache.envelope import pack, unpack
from cache.key import check_key, is_key
from cache.store import CachedValue, Entry, Store, StoreFailed

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 0.25
ANSWER_SECONDS = 0.5
FULL_SECONDS = 30.0
"""How long puts are skipped when Redis is full and evicts nothing (maxmemory-policy noeviction)."""
SCAN_COUNT = 1000
"""Keys a SCAN step: each blocks Redis for less than a millisecond."""


class RedisStore(Store):
    """Values in Redis under a prefix; while Redis is unavailable every get is a miss."""

    name = "redis"

    def __init__(self, url: str, prefix: str = "overzoom:", ttl_seconds: float | None = None):
        """url: redis://, rediss:// or unix://, else ValueError. Connects at the first call."""
        self.prefix, self.ttl_seconds = prefix, ttl_seconds
        self.breaker = Breaker("Redis", (RedisError, OSError))
        self._room = Breaker("Redis memory", (OutOfMemoryError,), FULL_SECONDS)
        self.breakers = (self.breaker, self._room)
        self._dropped = Counter()
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            # Reconnects once where Redis has closed an idle connection.
            retry=Retry(NoBackoff(), 1, (redis.ConnectionError,)),
        )

    @property
    def dropped(self) -> int:
        return self._dropped.value

    def get(self, key: str) -> CachedValue | None:
        content = self.breaker.call(lambda: self._read(key), None)
        if content is None:
            return None
        cached = unpack(key, content)
        if cached is None:
            logger.warning("corrupt value in Redis removed: %s", key)
            self.remove(key)
        return None if cached is None or self._left(cached.written) <= 0 else cached

    def has(self, key: str) -> bool:
        return self.breaker.call(lambda: bool(self._client.exists(self._name(key))), False)

    def put(self, key: str, value: bytes, written: float | None = None) -> None:
        cached = CachedValue(value, time.time() if written is None else written)
        left = self._left(cached.written)
        if left <= 0:
            self.remove(key)
            return
        milliseconds = None if self.ttl_seconds is None else ceil(left * 1000)
        content = pack(key, cached)
        # Checked first: a skipped put says nothing of whether Redis answers.
        if not self._room.allows():
            self._dropped.add()
            return
        stored = self.breaker.call(lambda: self._set(key, content, milliseconds), None)
        if stored is None:  # no answer, which says nothing of its memory
            self._room.withdraw()
        if not stored:
            self._dropped.add()

    def remove(self, key: str) -> bool:
        return self.breaker.call(lambda: self._unlink(key), False)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", self.prefix + prefix) + "*"
        seen: set[str] = set()  # SCAN may return a key twice
        cursor: int | None = None
        while cursor != 0:
            if not self.breaker.allows():
                raise StoreFailed(f"{self.name}: did not answer a moment ago")
            try:
                cursor, keys = self._step(cursor or 0, pattern)
                with self._client.pipeline(transaction=False) as lengths:
                    for key in keys:
                        lengths.strlen(self._name(key))
                    sizes = lengths.execute()
            except self.breaker.errors as error:
                self.breaker.record_failure(error)
                raise StoreFailed(f"{self.name}: {summarise_error(error)}") from error
            self.breaker.record_success()
            for key, size in zip(keys, sizes, strict=True):
                if size and key not in seen:  # else it was evicted in the meantime
                    seen.add(key)
                    yield Entry(key, size)

    def close(self) -> None:
        self._client.close()

    def _name(self, key: str) -> str:
        return self.prefix + check_key(key)

    def _step(self, cursor: int, pattern: str) -> tuple[int, list[str]]:
        """The next cursor, and the tile keys of one SCAN step (leases share the prefix)."""
        after, names = self._client.scan(cursor, match=pattern, count=SCAN_COUNT)
        texts = (name.decode(errors="replace") for name in names if isinstance(name, bytes))
        keys = (text.removeprefix(self.prefix) for text in texts)
        return after, [key for key in keys if is_key(key)]

    def _read(self, key: str) -> bytes | None:
        content = self._client.get(self._name(key))
        return content if isinstance(content, bytes) else None

    def _unlink(self, key: str) -> bool:
        self._client.unlink(self._name(key))
        return True

    def _left(self, written: float) -> float:
        """Seconds until a value expires."""
        lifetime = float("inf") if self.ttl_seconds is None else self.ttl_seconds
        return written + lifetime - time.time()

    def _set(self, key: str, content: bytes, milliseconds: int | None) -> bool:
        """Whether there was room; a full Redis can still be read."""
        try:
            self._client.set(self._name(key), content, px=milliseconds)
        except OutOfMemoryError as error:
            self._room.record_failure(error)
            return False
        self._room.record_success()
        return True
