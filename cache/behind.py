"""Writes that nobody waits for: a store whose puts happen behind the request."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Full, Queue
from threading import Thread

from cache.store import Entry, Kept, Store
from cache.tally import Tally

logger = logging.getLogger(__name__)

WAITING = 64
"""Values that wait to be written, about 6 MB of tiles; more are not kept in this tier."""
CLOSE_SECONDS = 10.0


class Behind(Store):
    """A slow store, written by a thread of its own in the order of the puts."""

    def __init__(self, store: Store, waiting: int = WAITING) -> None:
        self.store, self.name, self.breakers = store, store.name, store.breakers
        self._overflowed = Tally()
        self._queue: Queue[tuple[str, bytes, float] | None] = Queue(waiting)
        self._writer = Thread(target=self._write, name=f"{self.name} writer", daemon=True)
        self._writer.start()

    @property
    def dropped(self) -> int:
        """Those that came when too many waited, and those that the store could not write."""
        return self._overflowed.value + self.store.dropped

    def get(self, key: str) -> Kept | None:
        return self.store.get(key)

    def has(self, key: str) -> bool:
        return self.store.has(key)

    def put(self, key: str, value: bytes, written: float | None = None) -> None:
        try:
            self._queue.put_nowait((key, value, time.time() if written is None else written))
        except Full:
            self._overflowed.add()

    def remove(self, key: str) -> None:
        self.store.remove(key)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        return self.store.entries(prefix)

    def close(self) -> None:
        """Write what waits, for ten seconds at most."""
        with suppress(Full):
            self._queue.put(None, timeout=CLOSE_SECONDS / 2)
        self._writer.join(CLOSE_SECONDS / 2)
        if self._writer.is_alive():
            logger.warning("%s: not everything was written", self.name)
        self.store.close()

    def _write(self) -> None:
        while (waiting := self._queue.get()) is not None:
            key, value, written = waiting
            self.store.put(key, value, written)
            self._queue.task_done()
