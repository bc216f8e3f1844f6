"""The files of the disk tier: where each lies, how they are listed and removed, whose folder it is.

A folder is a cache if it has a tag, or holds nothing but tiles and hidden files, as after
`rm -rf cache/*` under a running server; any other is refused.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from cache.envelope import HEADER_BYTES, read_written, unpack
from cache.files import PARTIAL
from cache.key import check_key, is_fingerprint, is_key
from cache.store import CachedValue, Entry, Store, StoreFailed, is_expired

logger = logging.getLogger(__name__)

ABANDONED_SECONDS = 600
"""Temporary files older than this were abandoned: a write takes milliseconds."""
TAG = "CACHEDIR.TAG"
"""Marks the folder as a cache, for backup programs and for ourselves: a folder that holds other
files is refused, because everything in a cache's folder may be evicted."""
LOST = "lost+found"
"""A new volume has it."""


class DiskFolder(Store):
    """The disk tier as it lies, for commands: stores, evicts and expires nothing, marks no use."""

    name = "disk"
    exclusive = True

    def __init__(self, folder: Path, ttl_seconds: float | None = None) -> None:
        """Raises OSError if the folder holds other files; it need not exist."""
        self.folder, self.ttl_seconds = folder, ttl_seconds
        with suppress(FileNotFoundError):
            self._is_tagged()

    def get(self, key: str) -> CachedValue | None:
        content = self._read(key)
        cached = None if content is None else unpack(key, content)
        return None if cached is None or is_expired(cached.written, self.ttl_seconds) else cached

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
        """Store nothing."""

    def remove(self, key: str) -> bool:
        return self._remove_file(key) is not None

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        for entry, status in self._files(prefix, self._raise_unless_gone):
            yield Entry(entry, status.st_size)

    def close(self) -> None:
        """Nothing to close."""

    def _path(self, key: str) -> Path:
        return self.folder / check_key(key)

    def _read(self, key: str) -> bytes | None:
        """A value's file; None if there is none, or if it cannot be read."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            logger.warning("cache file cannot be read: %s", error)
            return None

    def _remove_file(self, key: str) -> bool | None:
        """Remove a value's file and the folders that it leaves empty.

        Whether there was one; None if it cannot be removed.
        """
        path = self._path(key)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            logger.warning("cache file cannot be removed: %s", error)
            return None
        with suppress(OSError):  # stops at the first folder that is not empty
            for folder in path.parents[: key.count("/")]:
                folder.rmdir()
        return True

    def _is_tagged(self) -> bool:
        """Whether the folder has its tag; raises OSError if it holds other files without one."""
        names = os.listdir(self.folder)
        if TAG in names:
            return True
        if not all(self._is_ours(name) for name in names):
            raise FileExistsError(
                f"{self.folder}: holds files but no {TAG}, so it is not a cache: choose another "
                "folder, or empty it"
            )
        return False

    def _is_ours(self, name: str) -> bool:
        """Whether a name is a source's tiles, or hidden, as no part of a key is."""
        if name.startswith(".") or name == LOST:
            return True
        try:
            return all(is_fingerprint(below) for below in os.listdir(self.folder / name))
        except FileNotFoundError:  # removed in the meantime
            return True
        except OSError:
            return False

    def _raise_unless_gone(self, error: OSError) -> None:
        """Raises StoreFailed; files that others have removed meanwhile are none of its failures."""
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise StoreFailed(f"{self.name}: {error}") from error

    def _files(
        self, prefix: str, on_error: Callable[[OSError], None] = lambda error: None
    ) -> Iterator[tuple[str, os.stat_result]]:
        """The files whose keys start with a prefix; abandoned temporary files are removed.

        on_error: called for what cannot be listed.
        """
        root = str(self.folder)
        top = os.path.join(root, prefix.rpartition("/")[0])
        for folder, below, names in os.walk(top, onerror=on_error):
            below[:] = [name for name in below if not name.startswith(".")]  # leases, or others'
            for name in names:
                path = os.path.join(folder, name)
                key = path[len(root) :].lstrip("/")
                if name == TAG or not key.startswith(prefix):
                    continue
                try:
                    status = os.stat(path)
                except OSError as error:
                    on_error(error)
                    continue
                if is_key(key):
                    yield key, status
                elif name.startswith(".") and name.endswith(PARTIAL) and _abandoned(status):
                    with suppress(OSError):
                        os.unlink(path)


def _abandoned(status: os.stat_result) -> bool:
    return time.time() - status.st_mtime > ABANDONED_SECONDS
