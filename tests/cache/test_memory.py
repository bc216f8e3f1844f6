from __future__ import annotations

import tracemalloc

import pytest

from cache import MemoryStore
from tests.support.store_contract import AgingContract, BoundedContract, StoreContract, tile


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

    def test_a_negative_size_is_refused(self) -> None:
        with pytest.raises(ValueError, match="negative"):
            MemoryStore(-1)
