"""An in-memory index of the disk cache: sizes by key, least recently used first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock

from cache.store import Entry

BLOCK_BYTES = 4096
"""Files occupy whole blocks of a file system."""


class DiskIndex:
    """What one process knows of the folder; thread-safe.

    Other processes may write to the folder too, so the index is rebuilt from time to time by a
    scan. Changes that this process makes during a scan are kept.
    """

    def __init__(self) -> None:
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._changed: dict[str, None] | None = None
        self._lock = Lock()
        self.used_bytes = 0
        self.written_bytes = 0
        """Written by this process since the last scan began."""
        self.foreign_bytes = 0
        """Growth of the folder by other processes between the last two scans."""

    def record_write(self, key: str, size_bytes: int) -> None:
        """Note that a value was written."""
        with self._lock:
            self.written_bytes += _occupied_bytes(size_bytes)
            self._set_size(key, size_bytes)

    def record_use(self, key: str, size_bytes: int) -> None:
        """Note that a value was read: it is now the most recently used."""
        with self._lock:
            self._set_size(key, size_bytes)

    def remove(self, key: str) -> None:
        """Note that a value is gone."""
        with self._lock:
            if self._changed is not None:
                self._changed[key] = None  # the scan may have found it before
            self.used_bytes -= self._sizes.pop(key, 0)

    def find_oldest(self, target_bytes: float, at_most: int | None = None) -> list[str]:
        """The least recently used keys whose removal brings the total down to target_bytes.

        at_most: the largest number of keys.
        """
        with self._lock:
            victims: list[str] = []
            left = self.used_bytes
            for key, size in self._sizes.items():
                if left <= target_bytes or len(victims) == at_most:
                    break
                victims.append(key)
                left -= size
            return victims

    def begin_scan(self) -> None:
        """Begin a scan: changes are recorded until it ends."""
        with self._lock:
            self._changed = {}
            self.written_bytes = 0

    def end_scan(self, found: Iterable[Entry]) -> None:
        """Replace the index by what a scan found, least recently used first."""
        sizes = OrderedDict((entry.key, _occupied_bytes(entry.size_bytes)) for entry in found)
        with self._lock:
            for key in self._changed or ():
                sizes.pop(key, None)
                if key in self._sizes:
                    sizes[key] = self._sizes[key]
            self._changed = None
            used_bytes = sum(sizes.values())
            self.foreign_bytes = max(0, used_bytes - self.used_bytes) if self._sizes else 0
            self._sizes, self.used_bytes = sizes, used_bytes

    def _set_size(self, key: str, size_bytes: int) -> None:
        if self._changed is not None:
            self._changed.pop(key, None)
            self._changed[key] = None
        self.used_bytes += _occupied_bytes(size_bytes) - self._sizes.pop(key, 0)
        self._sizes[key] = _occupied_bytes(size_bytes)


def _occupied_bytes(size_bytes: int) -> int:
    return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES
