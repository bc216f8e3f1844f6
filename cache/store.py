"""What every tier of the cache does."""

from __future__ import annotations

from typing import Protocol


class Store(Protocol):
    """Values by key. Safe from any thread; never raises for want of space or of health."""

    @property
    def name(self) -> str:
        """The tier's name in provenance and metrics."""

    def get(self, key: str, /) -> bytes | None:
        """The value, exactly as it was put, or None."""

    def put(self, key: str, value: bytes, /) -> None:
        """Keep a value for as long as there is room."""
