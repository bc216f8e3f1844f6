"""The files that a raster consists of: signatures reveal changes, digests identify content."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

from cachetools import LRUCache

from tileserver.origins.files import is_picture

HASHED_WHOLE_BYTES = 256 * 2**20
"""Files up to this size are hashed completely (a quarter of a second), larger ones by samples."""
SAMPLE_BYTES = 2**16
SAMPLES = 64
SETTLED_SECONDS = 2.0
"""What has changed more recently may change once more within the resolution of its ctime."""

MOST_DIGESTS = 65536
"""Digests cached by file, 300 bytes each."""

Signature = tuple[object, ...]
"""A member's state (size, times, ETag, ...), which differs after a change."""

_digests: LRUCache[object, str] = LRUCache(MOST_DIGESTS)
_lock = Lock()


class Member(Protocol):
    """A file, a folder or an object in a remote store."""

    @property
    def remote(self) -> bool:
        """Whether its signature needs the network."""

    def signature(self) -> Signature:
        """The current signature; raises OSError if the member is missing."""

    def last_signature(self) -> Signature:
        """The current signature if that needs no network, else the last one; raises OSError."""

    def digest(self) -> str:
        """A digest of the content; raises OSError."""

    def settled(self) -> bool:
        """Whether any later change is sure to change the signature."""


def is_settled(state: os.stat_result) -> bool:
    """Whether any later change of a file or a folder is sure to change its ctime.

    No program sets that, while copies set back the mtime, or have one that lies in the future.
    """
    return time.time() - state.st_ctime > SETTLED_SECONDS


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on a disk of this machine."""

    path: Path
    remote = False

    def signature(self) -> Signature:
        state = self.path.stat()
        # ctime: copying into a file in place may keep its size and set back its mtime.
        return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns

    def last_signature(self) -> Signature:
        return self.signature()

    def settled(self) -> bool:
        return is_settled(self.path.stat())

    def digest(self) -> str:
        """Digest of all the content; of samples, size and mtime if the file is large.

        Cached as long as the signature stays the same.
        """
        signature = self.signature()
        key = (self.path, signature) if self.settled() else None
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
    """The rasters and folders in a folder: more or fewer change it, their content does not.

    Nor do other files, such as those that a copy is written to before it is renamed.
    """

    path: Path
    remote = False

    def signature(self) -> Signature:
        with os.scandir(self.path) as entries:
            return tuple(
                sorted(one.name for one in entries if is_picture(one.name) or one.is_dir())
            )

    def last_signature(self) -> Signature:
        return self.signature()

    def settled(self) -> bool:
        return True

    def digest(self) -> str:
        """Empty: names decide no pixels."""
        return ""
