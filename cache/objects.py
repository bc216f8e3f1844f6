"""The object store tier: S3, Google Cloud Storage, Azure or a folder, through obstore.

Nothing is ever evicted here: set a lifecycle rule on the bucket. Whoever serves writes to it
behind the request (behind.py).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from cache.breaker import Breaker, brief
from cache.envelope import opened, sealed
from cache.key import checked, is_key
from cache.store import Entry, Kept, Store
from cache.tally import Tally

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
"""A tile that was not found after that is made instead."""


class ObjectStore(Store):
    """Values as objects under a URL; where the store is away they are misses."""

    name = "objects"

    def __init__(
        self,
        url: str,
        options: Mapping[str, str] | None = None,
        ttl_seconds: float | None = None,
    ) -> None:
        """url: s3://bucket/prefix, gs://, az://, file:///folder or memory:///.

        options are obstore's for the kind of store, such as endpoint, region or access_key_id;
        what is not given comes from the environment. Raises ValueError where they do not fit.
        """
        self.ttl_seconds = ttl_seconds
        self.breaker = Breaker("object store", (BaseError, OSError))
        self.breakers = (self.breaker,)
        self._store = _opened(url, dict(options or {}))
        self._dropped = Tally()

    @property
    def dropped(self) -> int:
        return self._dropped.value

    def get(self, key: str) -> Kept | None:
        content = self.breaker.call(lambda: self._read(key), None)
        if content is None:
            return None
        kept = opened(key, content)
        if kept is None:
            logger.warning("corrupt object removed: %s", key)
        if kept is None or self._expired(kept.written):
            self.remove(key)
            return None
        return kept

    def has(self, key: str) -> bool:
        return self.breaker.call(lambda: self._fresh(key), False)

    def put(self, key: str, value: bytes, written: float | None = None) -> None:
        kept = Kept(value, time.time() if written is None else written)
        if self._expired(kept.written):
            self.remove(key)
            return
        content = sealed(key, kept)
        if self.breaker.call(lambda: obstore.put(self._store, checked(key), content), None) is None:
            self._dropped.add()

    def remove(self, key: str) -> None:
        self.breaker.call(lambda: self._delete(key), None)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        if not self.breaker.allows():
            return
        folder = prefix.rpartition("/")[0]  # object stores list whole elements of a path
        try:
            for chunk in obstore.list(self._store, prefix=folder or None):
                for found in chunk:
                    if found["path"].startswith(prefix) and is_key(found["path"]):
                        yield Entry(found["path"], found["size"])
        except self.breaker.errors as error:
            self.breaker.failed(error)
            return
        self.breaker.succeeded()

    def close(self) -> None:
        """Nothing to let go of: connections are obstore's own."""

    def _read(self, key: str) -> bytes | None:
        try:
            return obstore.get(self._store, checked(key)).bytes().to_bytes()
        except FileNotFoundError:
            return None

    def _fresh(self, key: str) -> bool:
        try:
            modified = obstore.head(self._store, checked(key))["last_modified"]
        except FileNotFoundError:
            return False
        return not self._expired(modified.timestamp())

    def _delete(self, key: str) -> None:
        try:
            obstore.delete(self._store, checked(key))
        except FileNotFoundError:
            return

    def _expired(self, written: float) -> bool:
        return self.ttl_seconds is not None and time.time() > written + self.ttl_seconds


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
        raise ValueError(brief(error)) from error
