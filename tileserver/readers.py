"""Threads that read sources: a few for each, so that a slow source holds up no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tileserver.errors import Overloaded, SourceUnavailable

READERS = 2
"""Threads a source, made when first needed: reading leaves the interpreter's lock."""

Value = TypeVar("Value")


class Readers:
    """For one event loop. What a cancelled caller had asked for is dropped if it has not begun."""

    def __init__(self, max_waiting: int, hang_seconds: float, threads: int = READERS) -> None:
        """max_waiting: reads of one source that may be under way or wait; threads: for each source.

        hang_seconds: a source whose threads have all been reading for longer is not waited for.
        """
        self.max_waiting, self.hang_seconds, self.threads = max_waiting, hang_seconds, threads
        self._by_source: dict[str, _SourceReaders] = {}

    async def run(self, source_id: str, work: Callable[..., Value], *arguments: object) -> Value:
        """work's value, from a thread of the source.

        Raises Overloaded where too many wait, SourceUnavailable where nothing comes any more.
        """
        if source_id not in self._by_source:
            self._by_source[source_id] = _SourceReaders(source_id, self.threads)
        readers = self._by_source[source_id]
        if readers.hang(self.hang_seconds):
            raise SourceUnavailable
        if readers.asked >= self.max_waiting:
            raise Overloaded
        return await asyncio.wrap_future(readers.submit(work, *arguments))

    def close(self) -> None:
        """Drop what has not begun. A read that hangs is not waited for."""
        for readers in self._by_source.values():
            readers.pool.shutdown(wait=False, cancel_futures=True)


class _SourceReaders:
    """The threads of one source."""

    def __init__(self, source_id: str, threads: int) -> None:
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix=f"reader {source_id}")
        self.asked = 0
        self._begun: dict[object, float] = {}

    def hang(self, seconds: float) -> bool:
        """Whether every thread has been at one read for longer."""
        begun = list(self._begun.values())
        return len(begun) == self.threads and time.monotonic() - max(begun) > seconds

    def submit(self, work: Callable[..., Value], *arguments: object) -> Future[Value]:
        self.asked += 1
        future = self.pool.submit(self._clocked, work, *arguments)
        future.add_done_callback(self._done)
        return future

    def _clocked(self, work: Callable[..., Value], *arguments: object) -> Value:
        token = object()
        self._begun[token] = time.monotonic()
        try:
            return work(*arguments)
        finally:
            del self._begun[token]

    def _done(self, _: Future[Value]) -> None:
        self.asked -= 1
