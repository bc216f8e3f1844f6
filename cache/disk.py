"""The disk tier: one file a value, checked when read, least recently used files evicted.

A file is written beside its place, then renamed, so a reader sees a whole value or none, also
after `kill -9` in mid-write. A file that was cut, flipped or never ours does not open
(envelope.py): it is a miss, and is removed. A full or failing disk only stops values from being
kept. A file's own time is its recency; when its value was made stands in the file.
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

from cache.envelope import HEADER_BYTES, opened, sealed, written
from cache.files import PARTIAL, write_whole
from cache.key import checked, is_key
from cache.stock import BLOCK_BYTES, Stock
from cache.store import Entry, Kept, Store
from cache.tally import Tally

logger = logging.getLogger(__name__)

ABANDONED_SECONDS = 600
"""A partial file of this age belongs to no living writer: a write takes milliseconds."""
EVICT_TO = 0.9
"""An eviction frees a tenth of the quota, so that not every write evicts."""
LOOK_SHARE = 1 / 64
"""A process looks again at what is there whenever it has written this share of the quota: so
far can several processes together pass the quota, each, before they know of one another."""
LOOK_BYTES = 2**20
RESERVE_SHARE = 1 / 8
"""At most so much of the quota is left to what others may write until the next look."""
TAG = "CACHEDIR.TAG"
TAG_TEXT = """Signature: 8a477f597d28d172789f06886806bc55
# Tiles that Overzoom can make again. See https://bford.info/cachedir/
"""
"""Marks the folder as a cache, for backups and for ourselves: whatever else lies in a cache's
folder is evicted one day, so a folder with other things in it is not taken for one."""
NEW_VOLUME = {"lost+found"}
EVICTED_A_PUT = 256
"""Files that one put removes at most: a tenth of the quota at once would take seconds."""
CLOSE_SECONDS = 5.0


class DiskStore(Store):
    """A bounded store in a folder, which several processes may share."""

    name = "disk"

    def __init__(self, folder: Path, max_bytes: int, ttl_seconds: float | None = None) -> None:
        """Raises OSError where the folder cannot be made, or has other things in it."""
        if max_bytes < 0:
            raise ValueError(f"max_bytes must not be negative, not {max_bytes}")
        self.folder, self.max_bytes, self.ttl_seconds = folder, max_bytes, ttl_seconds
        self._evicted, self._dropped = Tally(), Tally()
        self._stock = Stock()
        self._looking = threading.Lock()
        self._claim()
        self._look()

    @property
    def used_bytes(self) -> int:
        """Bytes on the disk, as far as this process knows."""
        return self._stock.used_bytes

    @property
    def evicted(self) -> int:
        """Values that this process removed for want of room."""
        return self._evicted.value

    @property
    def dropped(self) -> int:
        return self._dropped.value

    def get(self, key: str) -> Kept | None:
        path = self._path(key)
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            logger.warning("cache file cannot be read: %s", error)
            return None
        kept = opened(key, content)
        if kept is None:
            logger.warning("corrupt cache file removed: %s", key)
        if kept is None or self._expired(kept.written):
            self.remove(key)
            return None
        self._use(key, path, len(content))
        return kept

    def has(self, key: str) -> bool:
        path = self._path(key)
        try:
            if self.ttl_seconds is None:
                return path.is_file()
            with path.open("rb") as file:
                return not self._expired(written(file.read(HEADER_BYTES)))
        except OSError:
            return False

    def put(self, key: str, value: bytes, written: float | None = None) -> None:
        path = self._path(key)
        content = sealed(key, Kept(value, time.time() if written is None else written))
        if len(content) + BLOCK_BYTES > self.max_bytes:
            return
        try:
            if not (self.folder / TAG).exists():  # nothing is ever written before the tag
                self._claim()
            write_whole(path, content)
        except OSError as error:
            logger.warning("cache file cannot be written: %s", error)
            self._dropped.add()
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._evict(self.used_bytes * EVICT_TO)  # others fill this disk as well
            return
        self._stock.add(key, len(content))
        self._keep_quota(EVICTED_A_PUT)
        if self._stock.added_bytes > max(LOOK_BYTES, self.max_bytes * LOOK_SHARE):
            # Beside the request: a folder of a hundred thousand files takes a second.
            threading.Thread(target=self._look, name="disk cache", daemon=True).start()

    def remove(self, key: str) -> None:
        self._removed(key)

    def _removed(self, key: str) -> bool:
        """Whether there was a file, which is gone now."""
        path = self._path(key)
        self._stock.drop(key)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            logger.warning("cache file cannot be removed: %s", error)
            return False
        with suppress(OSError):  # the first folder that still holds something ends it
            for folder in path.parents[: key.count("/")]:
                folder.rmdir()
        return True

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        for entry, status in self._files(prefix):
            yield Entry(entry, status.st_size)

    def close(self) -> None:
        """Let a look that is under way come to its end, for some seconds at most."""
        if self._looking.acquire(timeout=CLOSE_SECONDS):
            self._looking.release()

    def _path(self, key: str) -> Path:
        return self.folder / checked(key)

    def _expired(self, written: float) -> bool:
        return self.ttl_seconds is not None and time.time() > written + self.ttl_seconds

    def _use(self, key: str, path: Path, size_bytes: int) -> None:
        self._stock.use(key, size_bytes)
        try:
            os.utime(path)  # recency must outlive the process: it is the file's own time
        except OSError:
            self._stock.drop(key)

    def _keep_quota(self, at_most: int | None = None) -> None:
        # Until the next look, others will write about as much as they did before the last one.
        reserve_bytes = min(self._stock.foreign_bytes, self.max_bytes * RESERVE_SHARE)
        quota_bytes = self.max_bytes - reserve_bytes
        if self.used_bytes > quota_bytes:
            self._evict(quota_bytes * EVICT_TO, at_most)

    def _evict(self, target_bytes: float, at_most: int | None = EVICTED_A_PUT) -> None:
        for key in self._stock.oldest(target_bytes, at_most):
            self._evicted.add(self._removed(key))  # another thread may have been quicker

    def _claim(self) -> None:
        """Make the folder and tag it; raises OSError. Others may do the same at the same time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        names, tag = set(os.listdir(self.folder)), self.folder / TAG
        if TAG in names:
            return
        if names - NEW_VOLUME and not tag.exists():  # else another was quicker, and wrote more
            raise FileExistsError(
                f"{self.folder}: holds files but no {TAG}, so it is no cache: name another "
                "folder, or empty it"
            )
        with suppress(FileExistsError), tag.open("x") as file:
            file.write(TAG_TEXT)

    def _look(self) -> None:
        """Learn what is in the folder, and clear what was broken off or is too old."""
        if not self._looking.acquire(blocking=False):
            return
        try:
            self._stock.begin()
            found = []
            for key, status in self._files(""):
                if self._expired(status.st_mtime):  # not even used for so long
                    self.remove(key)
                else:
                    found.append((status.st_mtime_ns, key, status.st_size))
            self._stock.replace(Entry(key, size) for _, key, size in sorted(found))
            self._keep_quota()
        finally:
            self._looking.release()

    def _files(self, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        """The files whose keys start with a prefix; partial ones that were abandoned go."""
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
