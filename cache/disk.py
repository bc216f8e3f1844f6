"""The disk tier: one checksummed file a value, least recently used files evicted first.

Writes are atomic, also under `kill -9`. A truncated, corrupted or foreign file fails its digest
(envelope.py): it is a miss, and is removed. A full or failing disk only stops values from being
stored. The file's mtime is its last use; the time at which the value was made is in the file.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from cache.counter import Counter
from cache.disk_folder import TAG, DiskFolder
from cache.disk_index import BLOCK_BYTES, DiskIndex
from cache.envelope import pack, unpack
from cache.files import write_whole
from cache.store import CachedValue, Entry, is_expired

logger = logging.getLogger(__name__)

EVICT_TO = 0.9
"""Share of the quota to evict down to: a tenth at a time, so that not every write evicts."""
SCAN_SHARE = 1 / 64
"""A process rescans the folder after writing this share of the quota. Until then each of several
processes may exceed the quota by as much, without knowing of the others."""
SCAN_BYTES = 2**20
RESERVE_SHARE = 1 / 8
"""Largest share of the quota that is reserved for writes of others until the next scan."""
TAG_TEXT = """Signature: 8a477f597d28d172789f06886806bc55
# Tiles that Overzoom can make again. See https://bford.info/cachedir/
"""
EVICTED_A_PUT = 256
"""Most files that one put evicts: a tenth of the quota at once would take seconds."""
CLOSE_SECONDS = 5.0


class DiskStore(DiskFolder):
    """A bounded store in a folder, which several processes may share."""

    def __init__(self, folder: Path, max_bytes: int, ttl_seconds: float | None = None) -> None:
        """Raises OSError if the folder cannot be created or holds other files."""
        if max_bytes < 0:
            raise ValueError(f"max_bytes must not be negative, not {max_bytes}")
        super().__init__(folder, ttl_seconds)
        self.max_bytes = max_bytes
        self._evicted, self._dropped = Counter(), Counter()
        self._index = DiskIndex()
        self._scan_lock = threading.Lock()
        self._claim_folder()
        self._scan()

    @property
    def used_bytes(self) -> int:
        """Bytes on the disk that this process knows of."""
        return self._index.used_bytes

    @property
    def evicted(self) -> int:
        """Values that this process evicted to make room."""
        return self._evicted.value

    @property
    def dropped(self) -> int:
        return self._dropped.value

    def get(self, key: str) -> CachedValue | None:
        content = self._read(key)
        if content is None:
            return None
        cached = unpack(key, content)
        if cached is None:
            logger.warning("corrupt cache file removed: %s", key)
        if cached is None or is_expired(cached.written, self.ttl_seconds):
            self.remove(key)
            return None
        self._use(key, len(content))
        return cached

    def put(self, key: str, value: bytes, written: float | None = None) -> None:
        path = self._path(key)
        content = pack(key, CachedValue(value, time.time() if written is None else written))
        if len(content) + BLOCK_BYTES > self.max_bytes:
            return
        try:
            if not (self.folder / TAG).exists():  # nothing is ever written before the tag
                self._claim_folder()
            write_whole(path, content)
        except OSError as error:
            logger.warning("cache file cannot be written: %s", error)
            self._dropped.add()
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._evict(self.used_bytes * EVICT_TO)  # other programs fill this disk as well
            return
        self._index.record_write(key, len(content))
        self._keep_quota(EVICTED_A_PUT)
        if self._index.written_bytes > max(SCAN_BYTES, self.max_bytes * SCAN_SHARE):
            # In the background: a folder of a hundred thousand files takes a second.
            threading.Thread(target=self._scan, name="disk cache scan", daemon=True).start()

    def close(self) -> None:
        """Wait for a running scan, for some seconds at most."""
        if self._scan_lock.acquire(timeout=CLOSE_SECONDS):
            self._scan_lock.release()

    def _use(self, key: str, size_bytes: int) -> None:
        self._index.record_use(key, size_bytes)
        try:
            os.utime(self._path(key))  # recency must outlive the process
        except OSError:
            self._index.remove(key)

    def _keep_quota(self, at_most: int | None = None) -> None:
        # Until the next scan, others will write about as much as before the last one.
        reserve_bytes = min(self._index.foreign_bytes, self.max_bytes * RESERVE_SHARE)
        quota_bytes = self.max_bytes - reserve_bytes
        if self.used_bytes > quota_bytes:
            self._evict(quota_bytes * EVICT_TO, at_most)

    def _evict(self, target_bytes: float, at_most: int | None = EVICTED_A_PUT) -> None:
        for key in self._index.find_oldest(target_bytes, at_most):
            self._evicted.add(bool(self._remove_file(key)))  # another thread may have removed it

    def _remove_file(self, key: str) -> bool | None:
        self._index.remove(key)
        return super()._remove_file(key)

    def _claim_folder(self) -> None:
        """Create the folder and its tag; raises OSError. Several processes may do so at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._is_tagged():
            with suppress(FileExistsError), (self.folder / TAG).open("x") as file:
                file.write(TAG_TEXT)

    def _scan(self) -> None:
        """Rebuild the index from the folder; remove abandoned and expired files."""
        if not self._scan_lock.acquire(blocking=False):
            return
        try:
            self._index.begin_scan()
            found = []
            for key, status in self._files(""):
                if is_expired(status.st_mtime, self.ttl_seconds):  # not even read since
                    self.remove(key)
                else:
                    found.append((status.st_mtime_ns, key, status.st_size))
            self._index.end_scan(Entry(key, size) for _, key, size in sorted(found))
            self._keep_quota()
        finally:
            self._scan_lock.release()
