"""Threads that read sources: one pool with a limit per source, so slow sources do not block others.

A read waits until its source is below its limit and the pool has a thread. A read that takes long
no longer counts against the pool, which starts another thread instead. So there are as many threads
as work at a time, however many sources there are, and those that hang: at most the limit of each
source that hangs.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from tileserver.errors import Overloaded, SourceUnavailable

SHARE = 2
"""Reads of one source at a time: reading leaves the interpreter's lock."""
POOL_THREADS = 16
"""Reads of all sources at a time that are quick."""
SLOW_SECONDS = 2.0
"""A read that has taken so long may hang; a read of the demo scene takes 10 ms."""
MOST_THREADS = 4096
"""Never reached: what bounds the threads are the shares."""

Value = TypeVar("Value")


class Readers:
    """For one event loop. The read of a cancelled caller is dropped if it has not begun."""

    def __init__(
        self,
        max_waiting: int,
        hang_seconds: float,
        share: int = SHARE,
        threads: int = POOL_THREADS,
    ) -> None:
        """max_waiting: reads of one source that may be under way or wait.

        hang_seconds: when all concurrent reads of a source exceed this, new reads fail at once.
        """
        self.max_waiting, self.hang_seconds = max_waiting, hang_seconds
        self.share, self.threads = share, threads
        self._sources: OrderedDict[str, _Reads] = OrderedDict()  # whose turn it is first
        self._pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="reader")
        self._later: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def slow(self) -> int:
        """Reads that have been under way for long: they may hang."""
        now = time.monotonic()
        return sum(now - begun >= SLOW_SECONDS for begun in self._begun())

    async def run(self, source_id: str, work: Callable[..., Value], *arguments: object) -> Value:
        """work's value, from a thread of the pool.

        Raises Overloaded where too many wait, SourceUnavailable if the source's reads hang.
        """
        reads = self._sources.setdefault(source_id, _Reads())
        if self._hang(reads):
            hang = f"{self.share} reads of it hang for more than {self.hang_seconds:g} s"
            raise SourceUnavailable from TimeoutError(hang)
        if self._closed or reads.asked >= self.max_waiting:
            raise Overloaded from RuntimeError(f"{reads.asked} reads of it are under way or wait")
        read = _Read(partial(work, *arguments), asyncio.get_running_loop().create_future())
        reads.waiting.append(read)
        self._begin()
        try:
            value: Value = await read.future
        finally:
            if read in reads.waiting:  # its caller was cancelled
                reads.waiting.remove(read)
            self._forget(source_id)
        return value

    def close(self) -> None:
        """Drop what has not begun. A read that hangs is not waited for."""
        self._closed = True
        for reads in self._sources.values():
            for read in reads.waiting:
                with suppress(RuntimeError):  # the loop was closed, and so its callers
                    read.future.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _hang(self, reads: _Reads) -> bool:
        """Whether all concurrent reads of a source have taken too long."""
        begun = reads.begun.values()
        return len(begun) == self.share and time.monotonic() - max(begun) > self.hang_seconds

    def _begun(self) -> list[float]:
        """Since when reads are under way; from copies, as other threads may ask."""
        return [begun for reads in [*self._sources.values()] for begun in [*reads.begun.values()]]

    def _begin(self) -> None:
        """Begin the reads that threads are free for, one source after the other."""
        while not self._closed and (id := self._next()) is not None:
            now = time.monotonic()
            quick = [begun for begun in self._begun() if now - begun < SLOW_SECONDS]
            if len(quick) >= self.threads:
                self._begin_later(min(quick) + SLOW_SECONDS - now)
                return
            self._sources.move_to_end(id)
            reads = self._sources[id]
            read = reads.waiting.popleft()
            if not read.future.done():  # else its caller was cancelled
                reads.begun[read] = time.monotonic()
                self._pool.submit(self._read, id, read)

    def _next(self) -> str | None:
        """The source whose turn it is; None where nothing waits that may begin."""
        for id, reads in self._sources.items():
            if reads.waiting and len(reads.begun) < self.share:
                return id
        return None

    def _begin_later(self, seconds: float) -> None:
        """Begin more once a read that is under way has become slow."""
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(seconds, self._begin_now)

    def _begin_now(self) -> None:
        self._later = None
        self._begin()

    def _read(self, id: str, read: _Read) -> None:
        """In a thread: one read."""
        end = partial(self._end, id, read)
        try:
            tell = partial(read.future.set_result, read.work())
        except BaseException as error:  # whatever it is, it is its caller's
            tell = partial(read.future.set_exception, error)
        with suppress(RuntimeError):  # the loop was closed, and so its callers
            read.future.get_loop().call_soon_threadsafe(end, tell)

    def _end(self, id: str, read: _Read, tell: Callable[[], None]) -> None:
        """In the event loop: a read has come to an end."""
        del self._sources[id].begun[read]
        if not read.future.done():  # else its caller was cancelled
            tell()
            read.future.exception()  # retrieved, so that asyncio does not log it as never retrieved
        self._forget(id)
        self._begin()

    def _forget(self, id: str) -> None:
        """Drop the state of a source without pending reads."""
        if id in self._sources and not self._sources[id].asked:
            del self._sources[id]


@dataclass(eq=False, slots=True)
class _Read:
    work: Callable[[], Any]
    future: asyncio.Future[Any]


@dataclass(eq=False, slots=True)
class _Reads:
    """The pending reads of one source."""

    waiting: deque[_Read] = field(default_factory=deque)
    begun: dict[_Read, float] = field(default_factory=dict)
    """Reads under way, and since when (time.monotonic)."""

    @property
    def asked(self) -> int:
        return len(self.waiting) + len(self.begun)
