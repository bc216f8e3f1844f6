"""The memory tier: least recently used values within a number of bytes."""

from __future__ import annotations

from threading import Lock

from cachetools import LRUCache

OVERHEAD_BYTES = 256
"""What an entry costs beside its value: key, object headers and links (measured, rounded up)."""


class MemoryStore:
    """A bounded store in this process."""

    name = "memory"

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 0:
            raise ValueError(f"max_bytes must not be negative, not {max_bytes}")
        self._values: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=_cost_bytes)
        self._lock = Lock()

    @property
    def used_bytes(self) -> int:
        return int(self._values.currsize)

    def get(self, key: str) -> bytes | None:
        with self._lock:
            return self._values.get(key)

    def put(self, key: str, value: bytes) -> None:
        if _cost_bytes(value) <= self._values.maxsize:
            with self._lock:
                self._values[key] = value


def _cost_bytes(value: bytes) -> int:
    return len(value) + OVERHEAD_BYTES
