"""Write-behind: a store whose puts are queued and written by a thread of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Full, Queue
from threading import Thread

from cache.counter import Counter
from cache.store import CachedValue, Entry, Store

logger = logging.getLogger(__name__)

WAITING = 64
"""Most values in the queue, about 6 MB of tiles; further ones are not written to this tier."""
CLOSE_SECONDS = 10.0


class WriteBehind(Store):
    """Wraps a slow store; puts are written in order by a background thread."""

    def __init__(self, store: Store, waiting: int = WAITING) -> None:
        self.store, self.name, self.breakers = store, store.name, store.breakers
        self.exclusive = store.exclusive
        self._overflowed = Counter()
        self._queue: Queue[tuple[str, bytes, float] | None] = Queue(waiting)
        self._writer = Thread(target=self._write, name=f"{self.name} writer", daemon=True)
        self._writer.start()

    @property
    def dropped(self) -> int:
        """Values that found the queue full, and those that the store could not write."""
        return self._overflowed.value + self.store.dropped

    def get(self, key: str) -> CachedValue | None:
        return self.store.get(key)

    def has(self, key: str) -> bool:
        return self.store.has(key)

    def put(self, key: str, value: bytes, written: float | None = None) -> None:
        try:
            self._queue.put_nowait((key, value, time.time() if written is None else written))
        except Full:
            self._overflowed.add()

    def remove(self, key: str) -> bool:
        return self.store.remove(key)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        return self.store.entries(prefix)

    def close(self) -> None:
        """Write what is queued, for ten seconds at most."""
        with suppress(Full):
            self._queue.put(None, timeout=CLOSE_SECONDS / 2)
        self._writer.join(CLOSE_SECONDS / 2)
        if self._writer.is_alive():
            logger.warning("%s: closed before all queued values were written", self.name)
        self.store.close()

    def _write(self) -> None:
        while (waiting := self._queue.get()) is not None:
            key, value, written = waiting
            self.store.put(key, value, written)
            self._queue.task_done()
