"""Following sources through the versions of their files, beside the requests."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Lock, Thread, main_thread
from typing import Generic, Protocol, TypeVar

from tileserver.errors import StartupError
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
        """make is given each version of the raster and its number; raises what inspect raises."""
        self.name, self._inspect, self._make = name, inspect, make
        raster = inspect()
        self.current = make(raster, 0)
        self._settled = raster.settled
        self._generation = 0
        self._missing = False
        self._lock = Lock()

    def look(self) -> None:
        """Notice a change of the files; where they cannot be read, what was read stays."""
        if not self._lock.acquire(blocking=False):
            return  # the last look still goes on
        try:
            self._look()
        except (OSError, StartupError) as error:
            if not self._missing:
                logger.warning("%s: cannot be read at present (%s)", self.name, error)
            self._missing = True
        finally:
            self._lock.release()

    def _look(self) -> None:
        old = self.current.raster
        same = _looks_like(old)
        if not (same and self._settled):
            new = self._inspect()
            self._settled = new.settled
            same = same and new.fingerprint == old.fingerprint
            if not same:
                self._replace(new)
        if self._missing or not same:
            logger.info("%s: %s", self.name, "is back" if same else "has changed")
        self._missing = False

    def _replace(self, raster: Raster) -> None:
        self._generation += 1
        old, self.current = self.current, self._make(raster, self._generation)
        old.close()


def _looks_like(raster: Raster) -> bool:
    """Whether a fresh look shows this version; a part that is gone may only be one of many."""
    try:
        return raster.origin.signature() == raster.signature
    except OSError:
        return False


class Watch:
    """Calls `look` of every item about every so many seconds, in threads of its own."""

    def __init__(self, items: Sequence[tuple[Tracked[Item], float]]) -> None:
        """items with their seconds between looks; 0 never looks."""
        self._stop = Event()
        self._items = [(item, seconds) for item, seconds in items if seconds > 0]
        if self._items:
            Thread(target=self._run, name="watch").start()

    def close(self) -> None:
        """Look no more; a look that goes on ends by itself."""
        self._stop.set()

    def _run(self) -> None:
        due = [time.monotonic() + seconds for _, seconds in self._items]
        tick = min(END_SECONDS, *(seconds for _, seconds in self._items))
        with ThreadPoolExecutor(LOOKING_THREADS, thread_name_prefix="look") as threads:
            # Ends with the main thread: a daemon could be killed inside GDAL, which aborts.
            while main_thread().is_alive() and not self._stop.wait(tick):
                now = time.monotonic()
                for place, (item, seconds) in enumerate(self._items):
                    if now >= due[place]:
                        due[place] = now + seconds
                        with suppress(RuntimeError):  # the interpreter ends
                            threads.submit(_look, item)


def _look(item: Tracked[Item]) -> None:
    try:
        item.look()
    except Exception:  # outermost: nobody waits for a look, and the next one comes
        logger.exception("%s: looking for a change failed", item.name)
