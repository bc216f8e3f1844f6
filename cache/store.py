"""What every tier of the cache does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from cache.breaker import Breaker


class Kept(NamedTuple):
    """A value and when it was made, in seconds since 1970: its age goes along from tier to tier."""

    value: bytes
    written: float


class Entry(NamedTuple):
    """What a listing says of one value."""

    key: str
    size_bytes: int


class Store(Protocol):
    """Values by key. Safe from any thread; never raises for want of space or of health.

    Keys are paths of letters, digits and `_.@~+-`; the stores that could be led astray by any
    other raise ValueError (cache.key.checked). Where a store has a time to live, a value older
    than that is a miss.
    """

    name: str
    """The tier's name in provenance and metrics."""
    breakers: tuple[Breaker, ...] = ()
    """They know whether the services that it needs are there."""

    @property
    def dropped(self) -> int:
        """Values that this process could not write."""
        return 0

    def get(self, key: str, /) -> Kept | None:
        """The value, exactly as it was put, or None."""

    def has(self, key: str, /) -> bool:
        """Whether get would most likely find it, without reading it."""

    def put(self, key: str, value: bytes, /, written: float | None = None) -> None:
        """Keep a value for as long as there is room; written: when it was made, if not now."""

    def remove(self, key: str, /) -> None:
        """Forget a value, where it is kept."""

    def entries(self, prefix: str = "", /) -> Iterator[Entry]:
        """What is kept under the keys that start with a prefix, in any order."""

    def keys(self, prefix: str = "", /) -> Iterator[str]:
        """The keys that start with a prefix, in any order."""
        return (entry.key for entry in self.entries(prefix))

    def close(self) -> None:
        """Let go of connections, and finish what is under way."""
