"""Leases as locked files in a folder that the processes of one machine share.

The kernel releases the lock of a killed process, so a lease never outlives its holder. The holder
removes its file before it releases the lock: whoever then locks the removed file sees that it has
no name any more, and starts over.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from cache.breaker import Breaker

if sys.platform != "win32":
    import fcntl

SUPPORTED = sys.platform != "win32"
"""Whether this system has such locks."""

FOLDER = ".leases"
"""In the cache's folder. No key starts with a dot, so the disk tier passes over it."""
CALL_SECONDS = 2.0
"""A lock of a local file takes microseconds; a folder that takes longer hangs."""
CALL_THREADS = 4
"""Concurrent calls; when so many hang, the breaker is open."""

Value = TypeVar("Value")


class FileLeases:
    """For one event loop. Where the folder fails every lease is granted: each process works alone.

    Two holders in one process exclude each other as those of two processes do.
    """

    lost = 0
    """Leases that another process took while their holder worked: the kernel gives none away."""

    def __init__(self, folder: Path) -> None:
        """folder: the cache's; what killed processes left there is removed."""
        self.folder = folder / FOLDER
        self.breaker = Breaker("lease files", (OSError,))
        self._pool = ThreadPoolExecutor(CALL_THREADS, thread_name_prefix="lease")
        with suppress(OSError):
            self._remove_abandoned()

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[bool]:
        """Whether the lease was to be had: if so it is held to the block's end."""
        path = self._path(key)
        granted: int | None = _ALONE
        handle = await self._call(partial(_take, path), _release_of(path), granted)
        try:
            yield handle is not None
        finally:
            if handle is not None and handle != _ALONE:
                self._end(path, handle)

    async def taken(self, key: str) -> bool:
        """Whether anybody holds a key's lease."""
        return await self._call(partial(_is_taken, self._path(key)), lambda _: None, False)

    async def close(self) -> None:
        """Ask no more; calls that hang are not waited for."""
        self._pool.shutdown(wait=False)

    def _end(self, path: Path, handle: int) -> None:
        try:
            self._pool.submit(_release, path, handle)
        except RuntimeError:  # closed
            _release(path, handle)

    def _path(self, key: str) -> Path:
        return self.folder / hashlib.blake2b(key.encode(), digest_size=16).hexdigest()

    async def _call(
        self, work: Callable[[], Value], undo: Callable[[Value], None], default: Value
    ) -> Value:
        """The result of work in a thread; default where it fails or takes too long.

        undo: called with the result of a call whose caller no longer waits.
        """
        if not self.breaker.allows():
            return default
        future = self._pool.submit(work)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                value = await asyncio.shield(asyncio.wrap_future(future))
        except (OSError, asyncio.CancelledError) as error:  # TimeoutError is an OSError
            future.add_done_callback(partial(_undo, undo))
            if not isinstance(error, OSError):
                raise
            self.breaker.record_failure(error)
            return default
        self.breaker.record_success()
        return value

    def _remove_abandoned(self) -> None:
        for path in self.folder.iterdir():
            handle = _take(path)
            if handle is not None:
                _release(path, handle)


_ALONE = -1
"""In place of a handle: the lease is granted because the folder fails."""


def _take(path: Path) -> int | None:
    """The handle of the locked file; None if another holds it. Raises OSError."""
    while True:
        handle = _open(path)
        try:
            if not _lock(handle):
                os.close(handle)
                return None
            if os.fstat(handle).st_nlink:
                return handle
        except OSError:
            os.close(handle)
            raise
        os.close(handle)  # its holder has removed the file in the meantime


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o600)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _release(path: Path, handle: int) -> None:
    with suppress(OSError):
        path.unlink()
    with suppress(OSError):
        os.close(handle)


def _release_of(path: Path) -> Callable[[int | None], None]:
    """Releases what `_take` returned."""

    def release(handle: int | None) -> None:
        if handle is not None:
            _release(path, handle)

    return release


def _is_taken(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _lock(handle)
    finally:
        os.close(handle)


def _undo(undo: Callable[[Value], None], future: Future[Value]) -> None:
    if not future.cancelled() and future.exception() is None:
        undo(future.result())
