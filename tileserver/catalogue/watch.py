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
from tileserver.rasters.raster import Raster

logger = logging.getLogger(__name__)

LOOKING_THREADS = 4
"""Sources looked at at a time, those not counted that may hang on a network."""
SLOW_SECONDS = 2.0
"""A look that has taken so long may hang; one at a local file takes a fraction of a millisecond."""
RAREST_SECONDS = 60.0
"""What cannot be read is looked at as often as this, or as often as it would be else."""
DOUBLINGS = 20
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
        self.failures = 0
        """Looks since something could be read."""
        self._settled = False
        self._generation = -1
        self._lock = Lock()
        self.look()

    @property
    def current(self) -> Item:
        """The latest version; raises SourceUnavailable where there never was one."""
        if self.item is None:
            raise SourceUnavailable from self.failure
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
            if self.item is not None and str(self.failure) != str(error):
                logger.warning("%s: cannot be read at present (%s)", self.name, error)
            self.failure = error
            self.failures += 1
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
        self.failure, self.failures = None, 0

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


class Watch(Generic[Item]):
    """Calls `look` of every item about every so many seconds, in threads of its own.

    An item waits for its last look, never in a queue. A look that takes long may hang: it is
    counted apart, and takes no thread of others. What cannot be read is looked at ever more rarely.
    """

    def __init__(
        self, items: Sequence[Tracked[Item]], seconds: Callable[[Tracked[Item]], float]
    ) -> None:
        """seconds: from a look at an item to the next one, as it is then; 0 never looks."""
        self._stop, self._seconds = Event(), seconds
        now = time.monotonic()
        self._due = {item: now + seconds(item) for item in items if seconds(item) > 0}
        self._begun: dict[Tracked[Item], float] = {}
        self._lock = Lock()
        if self._due:
            Thread(target=self._run, name="watch").start()

    @property
    def slow(self) -> int:
        """Looks that have been under way for long: they may hang."""
        with self._lock:
            now = time.monotonic()
            return sum(now - begun >= SLOW_SECONDS for begun in self._begun.values())

    def close(self) -> None:
        """Look no more; a look that goes on ends by itself."""
        self._stop.set()

    def _run(self) -> None:
        tick = min(END_SECONDS, *map(self._seconds, self._due))
        with ThreadPoolExecutor(len(self._due), thread_name_prefix="look") as threads:
            # Ends with the main thread: a daemon could be killed inside GDAL, which aborts.
            while main_thread().is_alive() and not self._stop.wait(tick):
                for item in self._begin():
                    with suppress(RuntimeError):  # the interpreter ends
                        threads.submit(self._look, item)

    def _begin(self) -> list[Tracked[Item]]:
        """The items whose looks begin now: those that have been due for longest."""
        now = time.monotonic()
        with self._lock:
            quick = sum(now - begun < SLOW_SECONDS for begun in self._begun.values())
            due = [item for item, at in self._due.items() if now >= at and item not in self._begun]
            chosen = sorted(due, key=self._due.__getitem__)[: max(0, LOOKING_THREADS - quick)]
            self._begun.update(dict.fromkeys(chosen, now))
        return chosen

    def _look(self, item: Tracked[Item]) -> None:
        try:
            item.look()
        except Exception:  # outermost: nobody waits for a look, and the next one comes
            item.failures += 1
            logger.exception("%s: looking for a change failed", item.name)
        finally:
            with self._lock:
                pause = pause_seconds(self._seconds(item), item.failures)
                self._due[item] = time.monotonic() + pause
                del self._begun[item]


def pause_seconds(seconds: float, failures: int) -> float:
    """Until the next look: twice as long after every one that found nothing to read, in bounds."""
    rarer = seconds * 2.0 ** min(failures, DOUBLINGS)
    return min(rarer, max(seconds, RAREST_SECONDS)) or inf
