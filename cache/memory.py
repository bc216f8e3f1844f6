"""The memory tier: an LRU cache bounded in bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Lock

from cachetools import Cache, TLRUCache

from cache.store import CachedValue, Entry, Store

OVERHEAD_BYTES = 512
"""Memory of an entry besides its value: key, object headers, links (measured, rounded up)."""


class MemoryStore(Store):
    """A bounded store in this process."""

    exclusive = True

    name = "memory"

    def __init__(self, max_bytes: int, ttl_seconds: float | None = None) -> None:
        if max_bytes < 0:
            raise ValueError(f"max_bytes must not be negative, not {max_bytes}")
        lifetime = float("inf") if ttl_seconds is None else ttl_seconds
        self._values = _Counting(
            max_bytes,
            ttu=lambda _key, cached, _now: cached.written + lifetime,
            timer=_now,
            getsizeof=_cost_bytes,
        )
        self._lock = Lock()

    @property
    def evicted(self) -> int:
        """Values evicted to make room."""
        return self._values.evicted

    @property
    def used_bytes(self) -> int:
        """Bytes of all values, with their overhead."""
        with self._lock:  # currsize drops expired values first
            return int(self._values.currsize)

    def get(self, key: str) -> CachedValue | None:
        with self._lock:
            return self._values.get(key)

    def has(self, key: str) -> bool:
        with self._lock:
            return key in self._values

    def put(self, key: str, value: bytes, written: float | None = None) -> None:
        cached = CachedValue(value, time.time() if written is None else written)
        if _cost_bytes(cached) <= self._values.maxsize:
            with self._lock:
                self._values[key] = cached

    def remove(self, key: str) -> bool:
        with self._lock:
            self._values.pop(key, None)
        return True

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        with self._lock:  # bypasses the cache: listing is not a use
            values = [
                (key, len(Cache.__getitem__(self._values, key).value)) for key in list(self._values)
            ]
        return (Entry(key, size) for key, size in values if key.startswith(prefix))

    def close(self) -> None:
        with self._lock:
            self._values.clear()


class _Counting(TLRUCache[str, CachedValue]):
    evicted = 0

    def popitem(self) -> tuple[str, CachedValue]:
        self.evicted += 1
        return super().popitem()


def _cost_bytes(cached: CachedValue) -> int:
    return len(cached.value) + OVERHEAD_BYTES


def _now() -> float:
    """The clock, looked up at every call so that a test can replace it."""
    return time.time()
