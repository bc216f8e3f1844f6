"""A time limit for calls of a tier that may hang, such as one on a dead network drive."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import BoundedSemaphore
from typing import TypeVar

from cache.breaker import Breaker
from cache.counter import Counter

CALL_SECONDS = 2.0
"""Values are a few kilobytes: a tier that takes longer than this is useless to a viewer."""
CALL_THREADS = 4
"""Concurrent calls of one tier; when so many hang, the tier is not called at all."""

Value = TypeVar("Value")


class TimeLimit:
    """Runs the calls of one tier in threads of its own, and waits for a limited time.

    A call that takes longer goes on in its thread, and the tier's circuit breaker opens. While all
    threads hang, the tier is not called; once one returns, it is tried again.
    """

    def __init__(
        self, name: str, seconds: float = CALL_SECONDS, threads: int = CALL_THREADS
    ) -> None:
        """name: the tier's; the breaker is called "cache tier NAME"."""
        self.name, self.seconds, self.threads = name, seconds, threads
        self.breaker = Breaker(f"cache tier {name}", (TimeoutError,))
        self._skipped, self._hanging = Counter(), Counter()
        self._free = BoundedSemaphore(threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"tier {name}")

    @property
    def skipped(self) -> int:
        """Calls that were skipped or abandoned."""
        return self._skipped.value

    def call(self, work: Callable[[], Value], default: Value) -> Value:
        """The result of work, or what it raises; default if it takes too long."""
        if not self.breaker.allows():
            self._skipped.add()
            return default
        future = self._begin(work)
        if future is None:
            self._skipped.add()
            self.breaker.record_failure(TimeoutError(f"no answer within {self.seconds:g} s"))
            return default
        self.breaker.record_success()
        return future.result()

    def close(self) -> None:
        """Start no more calls; hanging ones are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, work: Callable[[], Value]) -> Future[Value] | None:
        """The finished future of work; None if it takes too long."""
        ends = time.monotonic() + self.seconds
        if self._hanging.value >= self.threads or not self._free.acquire(timeout=self.seconds):
            return None
        try:
            future = self._pool.submit(work)
        except BaseException:  # whatever it is, the place is free again; it is raised
            self._free.release()
            raise
        future.add_done_callback(lambda _: self._free.release())
        done, _ = wait((future,), max(0.0, ends - time.monotonic()))
        if done:
            return future
        self._hanging.add()
        future.add_done_callback(lambda _: self._hanging.add(-1))
        return None
