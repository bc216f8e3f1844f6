"""The disk tier: one file a value, checked when read, least recently used files evicted.

A file is written beside its place, then renamed, so a reader sees a whole value or none, also
after `kill -9` in mid-write. It starts with a magic number and the digest of what follows: a file
that was cut, flipped or never ours is a miss, and is removed. A full or failing disk only stops
values from being kept.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import tempfile
import time
from collections import OrderedDict
from pathlib import Path
from threading import Lock

logger = logging.getLogger(__name__)

MAGIC = b"OZ01"
DIGEST_BYTES = 16
HEADER_BYTES = len(MAGIC) + DIGEST_BYTES
BLOCK_BYTES = 4096
"""Files occupy whole blocks of a file system."""
PARTIAL = ".partial"
ABANDONED_SECONDS = 600
"""A partial file of this age belongs to no living writer: a write takes milliseconds."""
EVICT_TO = 0.9
"""An eviction frees a tenth of the quota, so that not every write evicts."""


class DiskStore:
    """A bounded store in a folder.

    Several processes may share the folder; each then bounds what it knows of: the files that it
    found, wrote or read.
    """

    name = "disk"

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Raises OSError where the folder cannot be made."""
        if max_bytes < 0:
            raise ValueError(f"max_bytes must not be negative, not {max_bytes}")
        self.folder, self.max_bytes = folder, max_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._used_bytes = 0
        self._lock = Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._take_stock()

    @property
    def used_bytes(self) -> int:
        return self._used_bytes

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.warning("cache file cannot be read: %s", error)
            return None
        value = content[HEADER_BYTES:]
        if content[:HEADER_BYTES] != _header(value):
            logger.warning("corrupt cache file removed: %s", path.name)
            self._remove(key)
            return None
        self._touch(key, path, len(content))
        return value

    def put(self, key: str, value: bytes) -> None:
        if _occupied_bytes(len(value) + HEADER_BYTES) > self.max_bytes:
            return
        path = self._path(key)
        try:
            self._write(path, _header(value) + value)
        except OSError as error:
            logger.warning("cache file cannot be written: %s", error)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._evict(self._used_bytes * EVICT_TO)  # others fill this disk as well
            return
        self._account(key, len(value) + HEADER_BYTES)
        if self._used_bytes > self.max_bytes:
            self._evict(self.max_bytes * EVICT_TO)

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=PARTIAL, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _touch(self, key: str, path: Path, size: int) -> None:
        self._account(key, size)
        try:
            os.utime(path)  # recency must outlive the process: it is the file's own time
        except OSError:
            self._forget(key)

    def _account(self, key: str, size: int) -> None:
        with self._lock:
            self._used_bytes += _occupied_bytes(size) - self._sizes.pop(key, 0)
            self._sizes[key] = _occupied_bytes(size)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._used_bytes -= self._sizes.pop(key, 0)

    def _remove(self, key: str) -> None:
        self._forget(key)
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("cache file cannot be removed: %s", error)

    def _evict(self, target_bytes: float) -> None:
        with self._lock:
            victims, left = [], self._used_bytes
            for key, size in self._sizes.items():
                if left <= target_bytes:
                    break
                victims.append(key)
                left -= size
        for key in victims:
            self._remove(key)

    def _take_stock(self) -> None:
        """Learn what an earlier process left, oldest first, and clear what it broke off."""
        found = []
        for entry in self.folder.glob("??/*"):
            try:
                status = entry.stat()
                if entry.suffix == PARTIAL:
                    if time.time() - status.st_mtime > ABANDONED_SECONDS:
                        entry.unlink()
                    continue
            except OSError:
                continue
            found.append((status.st_mtime_ns, entry.name, status.st_size))
        for _, key, size in sorted(found):
            self._account(key, size)
        if self._used_bytes > self.max_bytes:
            self._evict(self.max_bytes * EVICT_TO)


def _header(value: bytes) -> bytes:
    return MAGIC + hashlib.blake2b(value, digest_size=DIGEST_BYTES).digest()


def _occupied_bytes(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES
