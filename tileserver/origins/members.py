"""The files that a raster is made of: cheap looks that show a change, digests that name content."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

from cachetools import LRUCache

HASHED_WHOLE_BYTES = 256 * 2**20
"""Files up to this size are identified by their content alone (a quarter of a second)."""
SAMPLE_BYTES = 2**16
SAMPLES = 64
SETTLED_SECONDS = 2.0
"""A file written less than this ago may change once more within the clock tick of its mtime."""

MOST_DIGESTS = 65536
"""Files whose digests are remembered, 300 bytes each."""

Look = tuple[object, ...]
"""What a look at a member shows; another look after a change differs."""

_digests: LRUCache[object, str] = LRUCache(MOST_DIGESTS)
_lock = Lock()


class Member(Protocol):
    """A file, a folder or an object in a remote store."""

    @property
    def remote(self) -> bool:
        """Whether a look takes a network."""

    def look(self) -> Look:
        """A fresh look; raises OSError where it is not there."""

    def last_look(self) -> Look:
        """A fresh look where that takes no network, else the last one; raises OSError."""

    def digest(self) -> str:
        """A digest of the content; raises OSError."""

    def settled(self) -> bool:
        """Whether a look is sure to differ after any later change."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on a disk of this machine."""

    path: Path
    remote = False

    def look(self) -> Look:
        state = self.path.stat()
        # The change time: a copy into a file in place may keep its size and set its time back.
        return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns

    def last_look(self) -> Look:
        return self.look()

    def settled(self) -> bool:
        state = self.path.stat()
        return time.time() - max(state.st_mtime, state.st_ctime) > SETTLED_SECONDS

    def digest(self) -> str:
        """Of all the content; of samples, size and time where the file is large.

        Remembered as long as the file looks the same.
        """
        key = (self.path, self.look()) if self.settled() else None
        with _lock:
            known = _digests.get(key)
        if known is None:
            known = self._digest()
            if key is not None:
                with _lock:
                    _digests[key] = known
        return known

    def _digest(self) -> str:
        size = self.path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with self.path.open("rb") as file:
            if size <= HASHED_WHOLE_BYTES:
                while chunk := file.read(2**20):
                    digest.update(chunk)
            else:
                digest.update(str(self.path.stat().st_mtime_ns).encode())
                for number in range(SAMPLES):
                    file.seek((size - SAMPLE_BYTES) * number // (SAMPLES - 1), os.SEEK_SET)
                    digest.update(file.read(SAMPLE_BYTES))
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """The names in a folder: files that come and go change it, their content does not."""

    path: Path
    remote = False

    def look(self) -> Look:
        return tuple(sorted(os.listdir(self.path)))

    def last_look(self) -> Look:
        return self.look()

    def settled(self) -> bool:
        return True

    def digest(self) -> str:
        """Empty: names are no part of any pixel."""
        return ""
