"""Tiers of stores, fastest first."""

from __future__ import annotations

from collections.abc import Sequence

from cache.store import Store


class Tiered:
    """Reads from the first tier that has a value and copies it upward; writes to all."""

    def __init__(self, tiers: Sequence[Store]) -> None:
        self.tiers = tuple(tiers)

    def get_fast(self, key: str) -> bytes | None:
        """The value where it lies in the first tier: cheap enough for an event loop."""
        return self.tiers[0].get(key) if self.tiers else None

    def get(self, key: str) -> tuple[bytes, str] | None:
        """The value and the name of the tier that had it, or None. May wait for a disk."""
        for depth, tier in enumerate(self.tiers):
            value = tier.get(key)
            if value is not None:
                for above in self.tiers[:depth]:
                    above.put(key, value)
                return value, tier.name
        return None

    def put(self, key: str, value: bytes) -> None:
        for tier in self.tiers:
            tier.put(key, value)
