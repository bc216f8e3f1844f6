"""A pool of open GDAL handles, shared by all rasters and bounded in number.

GDAL's handles may change threads but not be used by two at once. A released handle stays open and
idle until it is acquired again, is evicted as the least recently used of too many, or its raster
is replaced by a newer version.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Protocol, TypeVar

from rasterio import DatasetReader
from rasterio.errors import RasterioError

from tileserver.errors import SourceChanged, SourceUnavailable
from tileserver.library_internals import CPLE_BaseError, forget_errors
from tileserver.rasters.opening import open_raster
from tileserver.rasters.raster import Raster


class Handle(Protocol):
    """Anything that holds file descriptors."""

    def close(self) -> object: ...


Opened = TypeVar("Opened", bound=Handle)


@dataclass(frozen=True, slots=True)
class _Idle:
    owner: RasterHandles
    kind: Hashable
    handle: Handle


class HandlePool:
    """The open handles of all rasters; thread-safe."""

    def __init__(self, max_open: int) -> None:
        """max_open: how many may be open; only handles in use may exceed it."""
        if max_open < 0:
            raise ValueError(f"max_open must be at least 0, not {max_open}")
        self.max_open = max_open
        self._lock = Lock()
        self._idle: list[_Idle] = []  # the most recently used last
        self._in_use = 0

    def of(
        self,
        raster: Raster,
        on_change: Callable[[], None] = lambda: None,
        unwatched: Callable[[], bool] = lambda: True,
    ) -> RasterHandles:
        """The handles of one version of a raster.

        on_change: called when its files are found changed. unwatched: whether nobody polls it for
        changes, so that every use must check.
        """
        return RasterHandles(self, raster, on_change, unwatched)

    @property
    def open(self) -> int:
        """The number of open handles, idle or in use."""
        return len(self._idle) + self._in_use

    def close(self) -> None:
        """Close all idle handles."""
        self._close(lambda idle: True)

    def acquire(self, owner: RasterHandles, kind: Hashable) -> Handle | None:
        """The most recently used idle handle of a kind, now in use; None: the caller opens one."""
        with self._lock:
            self._in_use += 1
            for place in reversed(range(len(self._idle))):
                idle = self._idle[place]
                if idle.owner is owner and idle.kind == kind:
                    return self._idle.pop(place).handle
        self._evict()
        return None

    def release(self, owner: RasterHandles, kind: Hashable, handle: Handle | None) -> None:
        """End the use of a handle: None if it could not be opened or is closed already."""
        with self._lock:
            self._in_use -= 1
            reusable = handle is not None and not owner.closed
            if handle is not None and reusable:
                self._idle.append(_Idle(owner, kind, handle))
        if handle is not None and not reusable:
            handle.close()
        self._evict()

    def close_idle(self, owner: RasterHandles) -> None:
        """Close the idle handles of one raster."""
        self._close(lambda idle: idle.owner is owner)

    def _evict(self) -> None:
        with self._lock:
            excess = min(len(self._idle), max(0, self.open - self.max_open))
            closing, self._idle = self._idle[:excess], self._idle[excess:]
        for idle in closing:
            idle.handle.close()

    def _close(self, chosen: Callable[[_Idle], bool]) -> None:
        with self._lock:
            closing = [idle for idle in self._idle if chosen(idle)]
            self._idle = [idle for idle in self._idle if not chosen(idle)]
        for idle in closing:
            idle.handle.close()


class RasterHandles:
    """The pool's handles of one version of a raster."""

    def __init__(
        self,
        pool: HandlePool,
        raster: Raster,
        on_change: Callable[[], None],
        unwatched: Callable[[], bool],
    ) -> None:
        self.pool, self.raster = pool, raster
        self._on_change, self._unwatched = on_change, unwatched
        self.closed = False

    def is_unchanged(self, members: Sequence[int] | None = None) -> bool:
        """Whether the raster's files have the signatures that they had when it was inspected.

        members: the numbers of those that were read; None: all. What was read from some members of
        a mosaic belongs to this version whatever becomes of the others.
        """
        same = self.raster.is_unchanged(members)
        listing = self.raster.origin.listing_numbers
        if not same or (
            members is not None and self._unwatched() and not self.raster.is_unchanged(listing)
        ):
            self._on_change()
        return same

    def _shows_this_version(self) -> bool:
        """Whether a new handle shows this version; one of a mosaic opens its members later."""
        if not self.raster.origin.parts:
            return self.is_unchanged()
        if self._unwatched() and not self.raster.is_unchanged():
            self._on_change()
        return not self.closed

    @contextmanager
    def acquire(self, kind: Hashable, open: Callable[[], Opened]) -> Iterator[Opened]:
        """A handle of a kind for this thread alone; `open` makes one where none is idle.

        Raises SourceUnavailable where the raster cannot be opened or read, SourceChanged where a
        new handle would show another version of it. After an error the handle is closed.
        """
        handle: Opened | None = self.pool.acquire(self, kind)  # type: ignore[assignment]  # its own kind, of the pool's
        try:
            with self.raster.address.environment(), unavailable(self.raster):
                forget_errors()  # of another raster
                if handle is None:
                    handle = open()
                    if not self._shows_this_version():
                        raise SourceChanged from OSError("its files have changed")
                yield handle
        except BaseException:  # whatever it is, the handle may be broken; it is raised again
            if handle is not None:
                handle.close()
                handle = None
            raise
        finally:
            self.pool.release(self, kind, handle)

    def acquire_stored(self) -> AbstractContextManager[DatasetReader]:
        """A handle of the raster's pixels as they are stored; raises as `acquire` does."""
        return self.acquire("as stored", lambda: open_raster(self.raster))

    def close(self) -> None:
        """Close the idle handles now, and those in use when they are released."""
        self.closed = True
        self.pool.close_idle(self)


@contextmanager
def unavailable(raster: Raster) -> Iterator[None]:
    """Turns GDAL's failures to read a raster into SourceUnavailable."""
    try:
        yield
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise SourceUnavailable from error
