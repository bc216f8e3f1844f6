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
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cache.counter import Counter
from cache.disk_index import BLOCK_BYTES, DiskIndex
from cache.envelope import HEADER_BYTES, pack, read_written, unpack
from cache.file_lease import FOLDER as LEASES
from cache.files import PARTIAL, write_whole
from cache.key import check_key, is_key
from cache.store import CachedValue, Entry, Store, is_expired

logger = logging.getLogger(__name__)

ABANDONED_SECONDS = 600
"""Temporary files older than this were abandoned: a write takes milliseconds."""
EVICT_TO = 0.9
"""Share of the quota to evict down to: a tenth at a time, so that not every write evicts."""
SCAN_SHARE = 1 / 64
"""A process rescans the folder after writing this share of the quota. Until then each of several
processes may exceed the quota by as much, without knowing of the others."""
SCAN_BYTES = 2**20
RESERVE_SHARE = 1 / 8
"""Largest share of the quota that is reserved for writes of others until the next scan."""
TAG = "CACHEDIR.TAG"
TAG_TEXT = """Signature: 8a477f597d28d172789f06886806bc55
# Tiles that Overzoom can make again. See https://bford.info/cachedir/
"""
"""Marks the folder as a cache, for backup programs and for ourselves: a folder that holds other
files is refused, because everything in a cache's folder may be evicted."""
UNCLAIMED = {"lost+found", LEASES}
"""What may lie in a folder before its tag: a new volume's own, and leases, which may come first."""
EVICTED_A_PUT = 256
"""Most files that one put evicts: a tenth of the quota at once would take seconds."""
CLOSE_SECONDS = 5.0


class DiskStore(Store):
    """A bounded store in a folder, which several processes may share."""

    name = "disk"
    exclusive = True

    def __init__(self, folder: Path, max_bytes: int, ttl_seconds: float | None = None) -> None:
        """Raises OSError if the folder cannot be created or holds other files."""
        if max_bytes < 0:
            raise ValueError(f"max_bytes must not be negative, not {max_bytes}")
        self.folder, self.max_bytes, self.ttl_seconds = folder, max_bytes, ttl_seconds
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
        path = self._path(key)
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            logger.warning("cache file cannot be read: %s", error)
            return None
        cached = unpack(key, content)
        if cached is None:
            logger.warning("corrupt cache file removed: %s", key)
        if cached is None or is_expired(cached.written, self.ttl_seconds):
            self.remove(key)
            return None
        self._use(key, path, len(content))
        return cached

    def has(self, key: str) -> bool:
        path = self._path(key)
        try:
            if self.ttl_seconds is None:
                return path.is_file()
            with path.open("rb") as file:
                return not is_expired(read_written(file.read(HEADER_BYTES)), self.ttl_seconds)
        except OSError:
            return False

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

    def remove(self, key: str) -> None:
        self._remove_file(key)

    def _remove_file(self, key: str) -> bool:
        """Remove a value's file and the folders that it leaves empty; whether there was one."""
        path = self._path(key)
        self._index.remove(key)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            logger.warning("cache file cannot be removed: %s", error)
            return False
        with suppress(OSError):  # stops at the first folder that is not empty
            for folder in path.parents[: key.count("/")]:
                folder.rmdir()
        return True

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        for entry, status in self._files(prefix):
            yield Entry(entry, status.st_size)

    def close(self) -> None:
        """Wait for a running scan, for some seconds at most."""
        if self._scan_lock.acquire(timeout=CLOSE_SECONDS):
            self._scan_lock.release()

    def _path(self, key: str) -> Path:
        return self.folder / check_key(key)

    def _use(self, key: str, path: Path, size_bytes: int) -> None:
        self._index.record_use(key, size_bytes)
        try:
            os.utime(path)  # recency must outlive the process
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
            self._evicted.add(self._remove_file(key))  # another thread may have removed it

    def _claim_folder(self) -> None:
        """Create the folder and its tag; raises OSError. Several processes may do so at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        names, tag = set(os.listdir(self.folder)), self.folder / TAG
        if TAG in names:
            return
        if names - UNCLAIMED and not tag.exists():  # else another process tagged it and wrote to it
            raise FileExistsError(
                f"{self.folder}: holds files but no {TAG}, so it is not a cache: choose another "
                "folder, or empty it"
            )
        with suppress(FileExistsError), tag.open("x") as file:
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

    def _files(self, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        """The files whose keys start with a prefix; abandoned temporary files are removed."""
        root = str(self.folder)
        for folder, _, names in os.walk(os.path.join(root, prefix.rpartition("/")[0])):
            for name in names:
                path = os.path.join(folder, name)
                key = path[len(root) :].lstrip("/")
                if name == TAG or not key.startswith(prefix):
                    continue
                with suppress(OSError):  # gone in the meantime
                    status = os.stat(path)
                    if is_key(key):
                        yield key, status
                    elif name.endswith(PARTIAL) and _abandoned(status):
                        os.unlink(path)


def _abandoned(status: os.stat_result) -> bool:
    return time.time() - status.st_mtime > ABANDONED_SECONDS
