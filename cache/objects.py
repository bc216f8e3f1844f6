"""The object store tier: S3, Google Cloud Storage, Azure or a folder, through obstore.

Nothing is evicted here: set a lifecycle rule on the bucket. A server writes to it asynchronously
(write_behind.py).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from cache.breaker import Breaker, summarise_error
from cache.counter import Counter
from cache.envelope import pack, unpack
from cache.key import check_key, is_key
from cache.store import CachedValue, Entry, Store, StoreFailed, is_expired

logger = logging.getLogger(__name__)

CONNECTION = {"connect_timeout": "0.5 seconds", "timeout": "2 seconds"}
RETRIES: dict[str, Any] = {
    "max_retries": 1,
    "retry_timeout": timedelta(seconds=2),
    "backoff": {
        "init_backoff": timedelta(milliseconds=50),
        "max_backoff": timedelta(milliseconds=100),
        "base": 2,
    },
}
"""After these a get counts as a miss, and the tile is made."""


class ObjectStore(Store):
    """Values as objects under a URL; while the store is unavailable, every get misses."""

    name = "objects"

    def __init__(
        self,
        url: str,
        options: Mapping[str, str] | None = None,
        ttl_seconds: float | None = None,
    ) -> None:
        """url: s3://bucket/prefix, gs://, az://, file:///folder or memory:///.

        options: obstore's for that kind of store, such as endpoint, region or access_key_id;
        missing ones come from the environment. Raises ValueError for an invalid URL or option.
        """
        self.ttl_seconds = ttl_seconds
        self.breaker = Breaker("object store", (BaseError, OSError))
        self.breakers = (self.breaker,)
        self._store = _opened(url, dict(options or {}))
        self._dropped = Counter()

    @property
    def dropped(self) -> int:
        return self._dropped.value

    def get(self, key: str) -> CachedValue | None:
        content = self.breaker.call(lambda: self._read(key), None)
        if content is None:
            return None
        cached = unpack(key, content)
        if cached is None:
            logger.warning("corrupt object removed: %s", key)
            self.remove(key)
        return None if cached is None or is_expired(cached.written, self.ttl_seconds) else cached

    def has(self, key: str) -> bool:
        return self.breaker.call(lambda: self._fresh(key), False)

    def put(self, key: str, value: bytes, written: float | None = None) -> None:
        cached = CachedValue(value, time.time() if written is None else written)
        if is_expired(cached.written, self.ttl_seconds):
            self.remove(key)
            return
        content = pack(key, cached)
        if (
            self.breaker.call(lambda: obstore.put(self._store, check_key(key), content), None)
            is None
        ):
            self._dropped.add()

    def remove(self, key: str) -> bool:
        return self.breaker.call(lambda: self._delete(key), False)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        if not self.breaker.allows():
            raise StoreFailed(f"{self.name}: did not answer a moment ago")
        folder = prefix.rpartition("/")[0]  # object stores list whole elements of a path
        try:
            for chunk in obstore.list(self._store, prefix=folder or None):
                self.breaker.record_success()  # before the caller calls, or reads no further
                for found in chunk:
                    if found["path"].startswith(prefix) and is_key(found["path"]):
                        yield Entry(found["path"], found["size"])
        except self.breaker.errors as error:
            self.breaker.record_failure(error)
            raise StoreFailed(f"{self.name}: {summarise_error(error)}") from error
        self.breaker.record_success()

    def close(self) -> None:
        """Nothing to close: obstore owns the connections."""

    def _read(self, key: str) -> bytes | None:
        try:
            return obstore.get(self._store, check_key(key)).bytes().to_bytes()
        except FileNotFoundError:
            return None

    def _fresh(self, key: str) -> bool:
        try:
            modified = obstore.head(self._store, check_key(key))["last_modified"]
        except FileNotFoundError:
            return False
        return not is_expired(modified.timestamp(), self.ttl_seconds)

    def _delete(self, key: str) -> bool:
        with suppress(FileNotFoundError):
            obstore.delete(self._store, check_key(key))
        return True


def _opened(url: str, options: dict[str, str]) -> Any:
    remote: dict[str, Any] = {  # obstore checks the names
        "config": options,
        "client_options": {
            **CONNECTION,
            "allow_http": options.get("endpoint", "").startswith("http://"),
        },
        "retry_config": RETRIES,
    }
    try:
        return from_url(url, mkdir=True) if url.startswith("file:") else from_url(url, **remote)
    except BaseError as error:
        raise ValueError(summarise_error(error)) from error
