from __future__ import annotations

import time
import tracemalloc

import pytest

from cache import MemoryStore
from tests.support.store_contract import (
    VALUE,
    AgingContract,
    BoundedContract,
    StoreContract,
    tile,
)


class TestMemoryStore(StoreContract, AgingContract, BoundedContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore(512 * 1024)

    @pytest.fixture
    def aging(self) -> MemoryStore:
        return MemoryStore(512 * 1024, ttl_seconds=3600)

    def test_its_bytes_are_those_of_the_machine(self) -> None:
        store = MemoryStore(10**8)
        tracemalloc.start()
        for number in range(5000):
            store.put(tile(number), bytes(100))
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert taken <= store.used_bytes <= 2 * taken

    def test_counting_its_bytes_drops_what_is_too_old_under_its_lock(
        self, aging: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aging.put(tile(1), VALUE)
        locked, later = list[bool](), time.time() + 3601

        def clock() -> float:
            locked.append(aging._lock.locked())
            return later

        monkeypatch.setattr(time, "time", clock)
        assert aging.used_bytes == 0
        assert locked
        assert all(locked)

    def test_a_negative_size_is_refused(self) -> None:
        with pytest.raises(ValueError, match="negative"):
            MemoryStore(-1)
