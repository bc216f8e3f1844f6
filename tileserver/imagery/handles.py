"""Open GDAL handles: few for many sources, each used by one thread at a time.

GDAL's handles may change threads but not be shared by two at once. What is given back rests until
it is borrowed again, until it is the least recently used of too many, or until its raster is
replaced: then it is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Protocol, TypeVar

from rasterio.errors import RasterioError

from tileserver.errors import SourceChanged, SourceUnavailable
from tileserver.library_internals import CPLE_BaseError
from tileserver.rasters.raster import Raster


class Handle(Protocol):
    """Anything that holds descriptors of the operating system."""

    def close(self) -> object: ...


Opened = TypeVar("Opened", bound=Handle)


@dataclass(frozen=True, slots=True)
class _Resting:
    shelf: Shelf
    kind: Hashable
    handle: Handle


class Handles:
    """The open handles of all rasters."""

    def __init__(self, max_open: int) -> None:
        """max_open: how many may be open; only handles in use may exceed it."""
        if max_open < 0:
            raise ValueError(f"max_open is not negative, not {max_open}")
        self.max_open = max_open
        self._lock = Lock()
        self._resting: list[_Resting] = []  # the most recently used last
        self._in_use = 0

    def of(
        self,
        raster: Raster,
        changed: Callable[[], None] = lambda: None,
        alone: Callable[[], bool] = lambda: True,
    ) -> Shelf:
        """The handles of one version of a raster.

        changed: called where it is found changed; alone: whether nobody else looks for changes.
        """
        return Shelf(self, raster, changed, alone)

    @property
    def open(self) -> int:
        """Handles that are open, resting or in use."""
        return len(self._resting) + self._in_use

    def close(self) -> None:
        """Close all that rest."""
        self._close(lambda resting: True)

    def take(self, shelf: Shelf, kind: Hashable) -> Handle | None:
        """The most recently used resting handle of a kind, now in use; None: open one."""
        with self._lock:
            self._in_use += 1
            for place in reversed(range(len(self._resting))):
                resting = self._resting[place]
                if resting.shelf is shelf and resting.kind == kind:
                    return self._resting.pop(place).handle
        self._evict()
        return None

    def give_back(self, shelf: Shelf, kind: Hashable, handle: Handle | None) -> None:
        """End the use of a handle: None where it could not be opened or has been closed."""
        with self._lock:
            self._in_use -= 1
            rests = handle is not None and not shelf.closed
            if handle is not None and rests:
                self._resting.append(_Resting(shelf, kind, handle))
        if handle is not None and not rests:
            handle.close()
        self._evict()

    def drop(self, shelf: Shelf) -> None:
        """Close what rests of one raster."""
        self._close(lambda resting: resting.shelf is shelf)

    def _evict(self) -> None:
        with self._lock:
            excess = min(len(self._resting), max(0, self.open - self.max_open))
            closing, self._resting = self._resting[:excess], self._resting[excess:]
        for resting in closing:
            resting.handle.close()

    def _close(self, chosen: Callable[[_Resting], bool]) -> None:
        with self._lock:
            closing = [resting for resting in self._resting if chosen(resting)]
            self._resting = [resting for resting in self._resting if not chosen(resting)]
        for resting in closing:
            resting.handle.close()


class Shelf:
    """The open handles of one version of a raster."""

    def __init__(
        self,
        handles: Handles,
        raster: Raster,
        changed: Callable[[], None],
        alone: Callable[[], bool],
    ) -> None:
        self.handles, self.raster = handles, raster
        self._changed, self._alone = changed, alone
        self.closed = False

    def unchanged(self, members: Sequence[int] | None = None) -> bool:
        """Whether the raster's files still look as they did when it was inspected.

        members: the numbers of those that were read; None: all. What was read of a mosaic is this
        version's whatever has become of its other members.
        """
        same = self.raster.unchanged(members)
        listing = self.raster.origin.listing
        if not same or (
            members is not None and self._alone() and not self.raster.unchanged(listing)
        ):
            self._changed()
        return same

    def _opened_same(self) -> bool:
        """Whether a new handle shows this version; one of a mosaic opens its members later."""
        if not self.raster.origin.parts:
            return self.unchanged()
        if self._alone() and not self.raster.unchanged():
            self._changed()
        return not self.closed

    @contextmanager
    def borrow(self, kind: Hashable, open: Callable[[], Opened]) -> Iterator[Opened]:
        """A handle of a kind for this thread alone; `open` makes another where none rests.

        Raises SourceUnavailable where the raster cannot be opened or read, SourceChanged where a
        new handle would show another version of it. After an error the handle is closed.
        """
        handle: Opened | None = self.handles.take(self, kind)  # type: ignore[assignment]
        try:
            with self.raster.address.environment(), unavailable(self.raster):
                if handle is None:
                    handle = open()
                    if not self._opened_same():
                        raise SourceChanged from OSError("its files have changed")
                yield handle
        except BaseException:
            if handle is not None:
                handle.close()
                handle = None
            raise
        finally:
            self.handles.give_back(self, kind, handle)

    def close(self) -> None:
        """Close what rests now, and what is in use once it is given back."""
        self.closed = True
        self.handles.drop(self)


@contextmanager
def unavailable(raster: Raster) -> Iterator[None]:
    """Turns GDAL's failures to read a raster into SourceUnavailable."""
    try:
        yield
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise SourceUnavailable from error
