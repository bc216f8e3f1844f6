"""Following sources through the versions of their files, beside the requests."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import inf
from threading import Event, Lock, Thread, main_thread
from typing import Generic, Protocol, Self, TypeVar

from tileserver.errors import OverzoomError, SourceUnavailable
from tileserver.sources.raster import Raster

logger = logging.getLogger(__name__)

LOOKING_THREADS = 4
"""Sources looked at at a time: so many may hang on a network before changes of others wait."""
END_SECONDS = 0.25
"""How soon the watch sees that the program ends."""


class Versioned(Protocol):
    """What is made of one version of a raster."""

    @property
    def raster(self) -> Raster: ...

    def close(self) -> None: ...


Item = TypeVar("Item", bound=Versioned)


class Tracked(Generic[Item]):
    """What is served of one raster: replaced when its files change, kept when they go away."""

    def __init__(
        self, name: str, inspect: Callable[[], Raster], make: Callable[[Raster, int], Item]
    ) -> None:
        """make is given each version of the raster and its number."""
        self.name, self._inspect, self._make = name, inspect, make
        self.item: Item | None = None
        """The latest version; None as long as there never was one that could be read."""
        self.failure: OSError | OverzoomError | None = None
        """Why the last look found nothing to read."""
        self._settled = False
        self._generation = -1
        self._lock = Lock()
        self.look()

    @property
    def current(self) -> Item:
        """The latest version; raises SourceUnavailable where there never was one."""
        if self.item is None:
            raise SourceUnavailable
        return self.item

    def required(self) -> Self:
        """This, opened; raises the failure where it never could be."""
        if self.item is None and self.failure is not None:
            raise self.failure
        return self

    def look(self) -> None:
        """Notice a change of the files; where they cannot be read, what was read stays."""
        if not self._lock.acquire(blocking=False):
            return  # the last look still goes on
        try:
            self._look()
        except (OSError, OverzoomError) as error:
            if self.item is not None and self.failure is None:
                logger.warning("%s: cannot be read at present (%s)", self.name, error)
            self.failure = error
        finally:
            self._lock.release()

    def _look(self) -> None:
        old = None if self.item is None else self.item.raster
        same = old is not None and _looks_like(old)
        if not (same and self._settled):
            new = self._inspect()
            self._settled = new.settled
            same = same and old is not None and new.fingerprint == old.fingerprint
            if not same:
                self._replace(new)
        if self.failure is not None or (old is not None and not same):
            logger.info("%s: %s", self.name, "has changed" if old and not same else "is back")
        self.failure = None

    def _replace(self, raster: Raster) -> None:
        self._generation += 1
        old, self.item = self.item, self._make(raster, self._generation)
        if old is not None:
            old.close()


def _looks_like(raster: Raster) -> bool:
    """Whether a fresh look shows this version; a part that is gone may only be one of many."""
    try:
        return raster.origin.signature() == raster.signature
    except OSError:
        return False


class Watch:
    """Calls `look` of every item about every so many seconds, in threads of its own."""

    def __init__(
        self, items: Sequence[Tracked[Item]], seconds: Callable[[Tracked[Item]], float]
    ) -> None:
        """seconds: from a look at an item to the next one, as it is then; 0 never looks."""
        self._stop, self._seconds = Event(), seconds
        self._items = [item for item in items if seconds(item) > 0]
        if self._items:
            Thread(target=self._run, name="watch").start()

    def close(self) -> None:
        """Look no more; a look that goes on ends by itself."""
        self._stop.set()

    def _run(self) -> None:
        due = [time.monotonic() + self._seconds(item) for item in self._items]
        tick = min(END_SECONDS, *map(self._seconds, self._items))
        with ThreadPoolExecutor(LOOKING_THREADS, thread_name_prefix="look") as threads:
            # Ends with the main thread: a daemon could be killed inside GDAL, which aborts.
            while main_thread().is_alive() and not self._stop.wait(tick):
                now = time.monotonic()
                for place, item in enumerate(self._items):
                    if now >= due[place]:
                        due[place] = now + (self._seconds(item) or inf)
                        with suppress(RuntimeError):  # the interpreter ends
                            threads.submit(_look, item)


def _look(item: Tracked[Item]) -> None:
    try:
        item.look()
    except Exception:  # outermost: nobody waits for a look, and the next one comes
        logger.exception("%s: looking for a change failed", item.name)
