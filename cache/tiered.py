"""Several stores as one, fastest first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from typing import NamedTuple, TypeVar

from cache.store import Entry, Store
from cache.time_limit import TimeLimit

Value = TypeVar("Value")


class Found(NamedTuple):
    """A value, the name of the tier that had it, and when it was made (seconds since 1970)."""

    value: bytes
    tier: str
    written: float


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

    def get(self, key: str) -> Found | None:
        """The value from the first tier that has it, or None. May do I/O."""
        found = self.peek(key)
        if found is not None:
            for above in takewhile(lambda tier: tier.name != found.tier, self.tiers):
                self._put(above, key, found.value, found.written)
        return found

    def peek(self, key: str) -> Found | None:
        """As get, but the value is not copied to faster tiers."""
        for tier in self.tiers:
            cached = self._ask(tier, partial(tier.get, key), None)
            if cached is not None:
                return Found(cached.value, tier.name, cached.written)
        return None

    def has(self, key: str) -> bool:
        """Whether any tier has the value; none reads it."""
        return any(self._ask(tier, partial(tier.has, key), False) for tier in self.tiers)

    def complete(self, key: str) -> bool:
        """Copy a value that some tier has to those that lack it; whether any has it."""
        lacking = [t for t in self.tiers if not self._ask(t, partial(t.has, key), False)]
        if not lacking or len(lacking) == len(self.tiers):
            return not lacking
        found = self.peek(key)
        if found is None:
            return False
        for tier in lacking:
            self._put(tier, key, found.value, found.written)
        return True

    def put(self, key: str, value: bytes, written: float | None = None) -> None:
        """Store a value in every tier; a tier that does not answer in time is skipped.

        written: when what it is made from was made, if not now.
        """
        written = time.time() if written is None else written
        for tier in self.tiers:
            self._put(tier, key, value, written)

    def remove(self, key: str) -> None:
        for tier in self.tiers:
            self._ask(tier, partial(tier.remove, key), False)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """The stored values whose keys start with a prefix, each key once; raises StoreFailed."""
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
