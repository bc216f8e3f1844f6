"""The account of what a folder holds: sizes by key, least recently used first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock

from cache.store import Entry

BLOCK_BYTES = 4096
"""Files occupy whole blocks of a file system."""


class Stock:
    """What one process knows of a folder, safe from any thread.

    Other processes may write to the folder too, so the account is replaced from time to time by
    what is really there; what changes while the folder is being looked through is not lost.
    """

    def __init__(self) -> None:
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._recent: dict[str, None] | None = None
        self._lock = Lock()
        self.used_bytes = 0
        self.added_bytes = 0
        """Written by this process since the last look at the folder began."""
        self.foreign_bytes = 0
        """By how much others had made the folder grow between the last two looks."""

    def add(self, key: str, size_bytes: int) -> None:
        """A value was written."""
        with self._lock:
            self.added_bytes += _occupied_bytes(size_bytes)
            self._account(key, size_bytes)

    def use(self, key: str, size_bytes: int) -> None:
        """A value was read: it is now the most recently used."""
        with self._lock:
            self._account(key, size_bytes)

    def drop(self, key: str) -> None:
        """A value is gone."""
        with self._lock:
            if self._recent is not None:
                self._recent[key] = None  # the look may have seen it
            self.used_bytes -= self._sizes.pop(key, 0)

    def oldest(self, target_bytes: float, at_most: int | None = None) -> list[str]:
        """The keys whose removal brings the account down to a number of bytes; the first ones."""
        with self._lock:
            victims: list[str] = []
            left = self.used_bytes
            for key, size in self._sizes.items():
                if left <= target_bytes or len(victims) == at_most:
                    break
                victims.append(key)
                left -= size
            return victims

    def begin(self) -> None:
        """A look at the folder begins."""
        with self._lock:
            self._recent = {}
            self.added_bytes = 0

    def replace(self, found: Iterable[Entry]) -> None:
        """The look is over: what it found, least recently used first."""
        sizes = OrderedDict((entry.key, _occupied_bytes(entry.size_bytes)) for entry in found)
        with self._lock:
            for key in self._recent or ():
                sizes.pop(key, None)
                if key in self._sizes:
                    sizes[key] = self._sizes[key]
            self._recent = None
            used_bytes = sum(sizes.values())
            self.foreign_bytes = max(0, used_bytes - self.used_bytes) if self._sizes else 0
            self._sizes, self.used_bytes = sizes, used_bytes

    def _account(self, key: str, size_bytes: int) -> None:
        if self._recent is not None:
            self._recent.pop(key, None)
            self._recent[key] = None
        self.used_bytes += _occupied_bytes(size_bytes) - self._sizes.pop(key, 0)
        self._sizes[key] = _occupied_bytes(size_bytes)


def _occupied_bytes(size_bytes: int) -> int:
    return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES
