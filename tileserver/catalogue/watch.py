"""Polls files for changes in the background and replaces sources by their new versions."""

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
from tileserver.rasters.raster import Raster

logger = logging.getLogger(__name__)

POLLING_THREADS = 4
"""Concurrent polls, not counting slow ones, which may hang."""
SLOW_SECONDS = 2.0
"""A poll that takes longer may hang; of a local file it takes a fraction of a millisecond."""
RAREST_SECONDS = 60.0
"""Longest interval between polls of a source that cannot be read, unless its own is longer."""
DOUBLINGS = 20
END_SECONDS = 0.25
"""How soon the watch notices that the program ends."""


class Versioned(Protocol):
    """An object made from one version of a raster."""

    @property
    def raster(self) -> Raster: ...

    def close(self) -> None: ...


Item = TypeVar("Item", bound=Versioned)


class Tracked(Generic[Item]):
    """The latest readable version of a raster: replaced when its files change, else kept."""

    def __init__(
        self, name: str, inspect: Callable[[], Raster], make: Callable[[Raster, int], Item]
    ) -> None:
        """make: called with each version of the raster and its number."""
        self.name, self._inspect, self._make = name, inspect, make
        self.item: Item | None = None
        """The latest version; None if there never was a readable one."""
        self.failure: OSError | OverzoomError | None = None
        """Why the last poll failed; None if it succeeded."""
        self.failures = 0
        """Failed polls since the last success."""
        self._settled = False
        self._generation = -1
        self._lock = Lock()
        self.poll()

    @property
    def current(self) -> Item:
        """The latest version; raises SourceUnavailable if there never was one."""
        if self.item is None:
            raise SourceUnavailable from self.failure
        return self.item

    def required(self) -> Self:
        """Itself; raises the failure if it was never readable."""
        if self.item is None and self.failure is not None:
            raise self.failure
        return self

    def poll(self) -> None:
        """Check the files for a change; if they cannot be read, the last version stays."""
        if not self._lock.acquire(blocking=False):
            return  # another poll is running
        try:
            self._poll()
        except (OSError, OverzoomError) as error:
            if self.item is not None and str(self.failure) != str(error):
                logger.warning("%s: cannot be read at present (%s)", self.name, error)
            self.failure = error
            self.failures += 1
        finally:
            self._lock.release()

    def _poll(self) -> None:
        old = None if self.item is None else self.item.raster
        same = old is not None and _is_current(old)
        if not (same and self._settled):
            new = self._inspect()
            self._settled = new.settled
            same = same and old is not None and new.fingerprint == old.fingerprint
            if not same:
                self._replace(new)
        if self.failure is not None or (old is not None and not same):
            logger.info(
                "%s: %s", self.name, "has changed" if old and not same else "is readable again"
            )
        self.failure, self.failures = None, 0

    def _replace(self, raster: Raster) -> None:
        self._generation += 1
        old, self.item = self.item, self._make(raster, self._generation)
        if old is not None:
            old.close()


def _is_current(raster: Raster) -> bool:
    """Whether the files have this version's signatures; False if one is missing."""
    try:
        return raster.origin.signature() == raster.signature
    except OSError:
        return False


class Watch(Generic[Item]):
    """Polls every item at its own interval, in threads of its own.

    An item is not polled again before its last poll ends. A slow poll may hang: it is counted
    separately and takes no thread from others. What cannot be read is polled ever more rarely.
    """

    def __init__(
        self, items: Sequence[Tracked[Item]], seconds: Callable[[Tracked[Item]], float]
    ) -> None:
        """seconds: an item's interval from one poll to the next, evaluated each time; 0: never."""
        self._stop, self._seconds = Event(), seconds
        now = time.monotonic()
        self._due = {item: now + seconds(item) for item in items if seconds(item) > 0}
        self._begun: dict[Tracked[Item], float] = {}
        self._lock = Lock()
        if self._due:
            Thread(target=self._run, name="watch").start()

    @property
    def slow(self) -> int:
        """Polls that have been running for long: they may hang."""
        with self._lock:
            now = time.monotonic()
            return sum(now - begun >= SLOW_SECONDS for begun in self._begun.values())

    def close(self) -> None:
        """Start no more polls; a running one ends by itself."""
        self._stop.set()

    def _run(self) -> None:
        tick = min(END_SECONDS, *map(self._seconds, self._due))
        with ThreadPoolExecutor(len(self._due), thread_name_prefix="poll") as threads:
            # Ends with the main thread: a daemon could be killed inside GDAL, which aborts.
            while main_thread().is_alive() and not self._stop.wait(tick):
                for item in self._begin():
                    with suppress(RuntimeError):  # the interpreter ends
                        threads.submit(self._poll, item)

    def _begin(self) -> list[Tracked[Item]]:
        """The items to poll now: those that have been due for longest."""
        now = time.monotonic()
        with self._lock:
            quick = sum(now - begun < SLOW_SECONDS for begun in self._begun.values())
            due = [item for item, at in self._due.items() if now >= at and item not in self._begun]
            chosen = sorted(due, key=self._due.__getitem__)[: max(0, POLLING_THREADS - quick)]
            self._begun.update(dict.fromkeys(chosen, now))
        return chosen

    def _poll(self, item: Tracked[Item]) -> None:
        try:
            item.poll()
        except Exception:  # outermost handler: the next poll tries again
            item.failures += 1
            logger.exception("%s: poll failed", item.name)
        finally:
            with self._lock:
                pause = pause_seconds(self._seconds(item), item.failures)
                self._due[item] = time.monotonic() + pause
                del self._begun[item]


def pause_seconds(seconds: float, failures: int) -> float:
    """Seconds until the next poll: doubled after every failure, up to RAREST_SECONDS."""
    rarer = seconds * 2.0 ** min(failures, DOUBLINGS)
    return min(rarer, max(seconds, RAREST_SECONDS)) or inf
