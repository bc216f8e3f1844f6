"""Tiers of stores, fastest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cache.store import Entry, Store


class Tiered:
    """Reads from the first tier that has a value and copies it upward; writes to all."""

    def __init__(self, tiers: Sequence[Store]) -> None:
        self.tiers = tuple(tiers)

    def get_fast(self, key: str) -> bytes | None:
        """The value where it lies in the first tier: cheap enough for an event loop."""
        kept = self.tiers[0].get(key) if self.tiers else None
        return None if kept is None else kept.value

    def get(self, key: str) -> tuple[bytes, str] | None:
        """The value and the name of the tier that had it, or None. May wait for a disk."""
        for depth, tier in enumerate(self.tiers):
            kept = tier.get(key)
            if kept is not None:
                for above in self.tiers[:depth]:
                    above.put(key, kept.value, kept.written)
                return kept.value, tier.name
        return None

    def has(self, key: str) -> bool:
        """Whether any tier has the value; none reads it."""
        return any(tier.has(key) for tier in self.tiers)

    def put(self, key: str, value: bytes) -> None:
        for tier in self.tiers:
            tier.put(key, value)

    def remove(self, key: str) -> None:
        for tier in self.tiers:
            tier.remove(key)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """What is kept under the keys that start with a prefix, each key once."""
        seen: set[str] = set()
        for tier in self.tiers:
            for entry in tier.entries(prefix):
                if entry.key not in seen:
                    seen.add(entry.key)
                    yield entry

    def close(self) -> None:
        for tier in self.tiers:
            tier.close()
