"""Several stores as one, fastest first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from cache.store import Entry, Store
from cache.time_limit import TimeLimit

Value = TypeVar("Value")


class Tiered:
    """Reads from the first tier that has a value and copies it to faster ones; writes to all."""

    def __init__(self, tiers: Sequence[Store], call_seconds: float | None = None) -> None:
        """call_seconds: time limit of a call of any tier but the first; None: no limit."""
        self.tiers = tuple(tiers)
        limited = () if call_seconds is None else self.tiers[1:]
        self.limits = {tier.name: TimeLimit(tier.name, call_seconds or 0) for tier in limited}
        """Time limits by the tier's name; the first tier is memory and needs none."""

    def get_fast(self, key: str) -> bytes | None:
        """The value if the first tier has it; does no I/O, so an event loop may call it."""
        cached = self.tiers[0].get(key) if self.tiers else None
        return None if cached is None else cached.value

    def get(self, key: str) -> tuple[bytes, str] | None:
        """The value and the name of the tier that had it, or None. May do I/O."""
        for depth, tier in enumerate(self.tiers):
            cached = self._ask(tier, partial(tier.get, key), None)
            if cached is not None:
                for above in self.tiers[:depth]:
                    self._put(above, key, cached.value, cached.written)
                return cached.value, tier.name
        return None

    def has(self, key: str) -> bool:
        """Whether any tier has the value; none reads it."""
        return any(self._ask(tier, partial(tier.has, key), False) for tier in self.tiers)

    def put(self, key: str, value: bytes) -> None:
        """Store a value in every tier; a tier that does not answer in time is skipped."""
        written = time.time()
        for tier in self.tiers:
            self._put(tier, key, value, written)

    def remove(self, key: str) -> None:
        for tier in self.tiers:
            self._ask(tier, partial(tier.remove, key), None)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """The stored values whose keys start with a prefix, each key once."""
        seen: set[str] = set()
        for tier in self.tiers:
            for entry in tier.entries(prefix):
                if entry.key not in seen:
                    seen.add(entry.key)
                    yield entry

    def close(self) -> None:
        for tier in self.tiers:
            tier.close()
        for limit in self.limits.values():
            limit.close()

    def _put(self, tier: Store, key: str, value: bytes, written: float) -> None:
        self._ask(tier, partial(tier.put, key, value, written), None)

    def _ask(self, tier: Store, work: Callable[[], Value], default: Value) -> Value:
        limit = self.limits.get(tier.name)
        return work() if limit is None else limit.call(work, default)
