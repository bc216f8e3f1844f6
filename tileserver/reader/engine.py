"""What readers of one class share: the checkpoint on its device, and rasters by path."""

from __future__ import annotations

import time
from threading import Lock
from urllib.parse import urlsplit

import morecantile
from cachetools import LRUCache

from tileserver.catalogue.layers import Source
from tileserver.catalogue.opener import Opener
from tileserver.catalogue.watch import Tracked
from tileserver.checkpoints import local_checkpoint
from tileserver.settings.server import Settings
from tileserver.settings.sources import SourceSettings, is_remote_address

MAX_SOURCES = 64
"""Rasters that are remembered: their inspection and blocks, not the open file."""


class _Rasters(LRUCache[str, Tracked[Source]]):
    """Rasters by path; the handles of what is forgotten are closed."""

    def popitem(self) -> tuple[str, Tracked[Source]]:
        path, tracked = super().popitem()
        tracked.current.close()
        return path, tracked


class Engine:
    """What the readers of a class share: a checkpoint, its device, and the rasters they opened."""

    def __init__(self, settings: Settings) -> None:
        checkpoint = local_checkpoint(settings.checkpoint, settings.device)
        self.settings = settings
        self.opener = Opener(settings, checkpoint, morecantile.tms)
        self.drawing = Lock()  # one evaluation uses the whole device
        self._sources = _Rasters(MAX_SOURCES)
        self._polled_at: LRUCache[str, float] = LRUCache(MAX_SOURCES)
        self._lock = Lock()

    def source(self, path: str) -> Source:
        """A raster as it is now; raises StartupError."""
        with self._lock:
            tracked = self._sources.get(path)
        if tracked is None:
            host = urlsplit(path).netloc if is_remote_address(path) else ""
            opened = self.opener.track(path, SourceSettings(path=path), frozenset({host}))
            tracked = opened.required()
            with self._lock:
                mine, tracked = tracked, self._sources.setdefault(path, tracked)
            if mine is not tracked:  # another thread was quicker
                mine.current.close()
        elif self._due(path, tracked.current):
            tracked.poll()
        return tracked.current

    def _due(self, path: str, source: Source) -> bool:
        """Whether to poll: local files always, remote ones at an interval."""
        if not source.raster.origin.remote:
            return not source.is_unchanged() or not source.raster.settled
        now, seconds = time.monotonic(), self.settings.remote_check_seconds
        with self._lock:
            due = now - self._polled_at.get(path, -seconds) >= seconds
            if due:
                self._polled_at[path] = now
        return due


_engines: dict[type, Engine] = {}
_making = Lock()


def share_engine(reader: type, settings: Settings) -> Engine:
    """The one engine of a class, made by the first thread that asks; the others wait for it."""
    with _making:
        if reader not in _engines:
            _engines[reader] = Engine(settings)
        return _engines[reader]
