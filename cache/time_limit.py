"""A time limit for a tier whose calls may hang, as those of a dead network drive do."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import BoundedSemaphore
from typing import TypeVar

from cache.breaker import Breaker
from cache.tally import Tally

CALL_SECONDS = 2.0
"""A value is a few kilobytes: a disk or a service that takes longer is of no use to a viewer."""
CALL_THREADS = 4
"""Calls of one tier at a time; so many may hang before the tier is no longer asked at all."""

Value = TypeVar("Value")


class TimeLimit:
    """Calls of one tier, in threads of their own and waited for so long at most.

    A call that takes longer is left to end by itself, and its tier rests (breaker). While every
    thread hangs the tier is not asked at all; once one comes back it is tried again.
    """

    def __init__(
        self, name: str, seconds: float = CALL_SECONDS, threads: int = CALL_THREADS
    ) -> None:
        """name: the tier's, which the breaker's ends with."""
        self.name, self.seconds, self.threads = name, seconds, threads
        self.breaker = Breaker(f"cache tier {name}", (TimeoutError,))
        self._skipped, self._hanging = Tally(), Tally()
        self._free = BoundedSemaphore(threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"tier {name}")

    @property
    def skipped(self) -> int:
        """Calls that were not made, or not waited for any longer."""
        return self._skipped.value

    def call(self, work: Callable[[], Value], default: Value) -> Value:
        """What work gives or raises; default where it does not come in time."""
        if not self.breaker.allows():
            self._skipped.add()
            return default
        future = self._begin(work)
        if future is None:
            self._skipped.add()
            self.breaker.failed(TimeoutError(f"no answer within {self.seconds:g} s"))
            return default
        self.breaker.succeeded()
        return future.result()

    def close(self) -> None:
        """Begin nothing more; a call that hangs is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, work: Callable[[], Value]) -> Future[Value] | None:
        """The outcome of work; None where it does not come in time."""
        ends = time.monotonic() + self.seconds
        if self._hanging.value >= self.threads or not self._free.acquire(timeout=self.seconds):
            return None
        try:
            future = self._pool.submit(work)
        except BaseException:
            self._free.release()
            raise
        future.add_done_callback(lambda _: self._free.release())
        done, _ = wait((future,), max(0.0, ends - time.monotonic()))
        if done:
            return future
        self._hanging.add()
        future.add_done_callback(lambda _: self._hanging.add(-1))
        return None
