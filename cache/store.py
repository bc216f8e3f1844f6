"""The interface of a cache tier."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from cache.breaker import Breaker


class CachedValue(NamedTuple):
    """A value and when it was made (seconds since 1970), which is copied from tier to tier."""

    value: bytes
    written: float


class Entry(NamedTuple):
    """One value in a listing."""

    key: str
    size_bytes: int


class StoreFailed(Exception):
    """A store cannot list all its values; the message names the tier and the reason."""


class Store(Protocol):
    """Values by key. Thread-safe; only a listing raises because its service fails.

    Keys are paths of letters, digits and `_.@~+-`; stores outside the process raise ValueError
    for any other (cache.key.check_key). With a time to live, an older value is a miss.
    """

    name: str
    """The tier's name in provenance and metrics."""
    breakers: tuple[Breaker, ...] = ()
    """The circuit breakers of the services that it uses."""
    exclusive: bool = False
    """Whether nothing else may lie where it stores: all that it lists is its own."""

    @property
    def dropped(self) -> int:
        """Values that this process could not write."""
        return 0

    def get(self, key: str, /) -> CachedValue | None:
        """The value, exactly as it was put; None for a miss."""

    def has(self, key: str, /) -> bool:
        """Whether get would probably hit, without reading the value."""

    def put(self, key: str, value: bytes, /, written: float | None = None) -> None:
        """Store a value; written: when it was made, if not now."""

    def remove(self, key: str, /) -> bool:
        """Remove a value, if it is stored; False if it may still be there."""

    def entries(self, prefix: str = "", /) -> Iterator[Entry]:
        """The stored values whose keys start with a prefix, in any order; raises StoreFailed.

        For commands, which would take a part for the whole.
        """

    def keys(self, prefix: str = "", /) -> Iterator[str]:
        """The keys that start with a prefix, in any order."""
        return (entry.key for entry in self.entries(prefix))

    def close(self) -> None:
        """Finish pending work and close connections."""


def is_expired(written: float, ttl_seconds: float | None) -> bool:
    """Whether a value made then (seconds since 1970) is past its time to live, if it has one."""
    return ttl_seconds is not None and time.time() > written + ttl_seconds
