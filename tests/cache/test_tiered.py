from __future__ import annotations

import time
from pathlib import Path

import pytest

from cache import CachedValue, DiskStore, Found, MemoryStore, Tiered
from tests.support.store_contract import VALUE, look_up, tile


def test_a_hit_below_is_copied_upward_and_named(tmp_path: Path) -> None:
    memory, disk = MemoryStore(10**6), DiskStore(tmp_path, 10**6)
    tiered = Tiered([memory, disk])
    disk.put(tile(1), VALUE)
    assert tiered.get_fast(tile(1)) is None
    assert look_up(tiered, tile(1)) == (VALUE, "disk")
    assert look_up(tiered, tile(1)) == (VALUE, "memory")
    assert tiered.get_fast(tile(1)) == VALUE
    assert Tiered([]).get(tile(1)) is None


def test_a_value_is_put_and_removed_everywhere(tmp_path: Path) -> None:
    memory, disk = MemoryStore(10**6), DiskStore(tmp_path, 10**6)
    tiered = Tiered([memory, disk])
    tiered.put(tile(1), VALUE)
    disk.put(tile(2), VALUE)
    assert memory.has(tile(1))
    assert disk.has(tile(1))
    assert tiered.has(tile(2))
    assert sorted(entry.key for entry in tiered.entries("scene/")) == [tile(1), tile(2)]
    tiered.remove(tile(1))
    assert not memory.has(tile(1))
    assert not disk.has(tile(1))
    assert not tiered.has(tile(1))


def test_tiers_that_lack_a_value_are_completed(tmp_path: Path) -> None:
    disk, later = DiskStore(tmp_path, 10**6), MemoryStore(10**6)
    tiered = Tiered([disk, later])
    assert not tiered.complete(tile(1))
    disk.put(tile(1), VALUE, 1234.5)
    later.put(tile(2), VALUE, 1234.5)
    for number in (1, 2):
        assert tiered.complete(tile(number))
        for tier in (disk, later):
            assert tier.get(tile(number)) == CachedValue(VALUE, 1234.5)


def test_a_copy_is_as_old_as_what_it_was_copied_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, disk = MemoryStore(10**6, 3600), DiskStore(tmp_path, 10**6, 3600)
    disk.put(tile(1), VALUE, time.time() - 3000)
    tiered = Tiered([memory, disk])
    assert look_up(tiered, tile(1)) == (VALUE, "disk")
    assert tiered.get_fast(tile(1)) == VALUE
    later = time.time() + 601
    monkeypatch.setattr(time, "time", lambda: later)
    assert tiered.get_fast(tile(1)) is None
    assert tiered.get(tile(1)) is None


def test_a_peeked_value_is_not_copied_and_what_is_made_of_it_is_as_old(tmp_path: Path) -> None:
    memory, disk = MemoryStore(10**6), DiskStore(tmp_path, 10**6)
    disk.put(tile(1), VALUE, 1234.5)
    tiered = Tiered([memory, disk])
    found = tiered.peek(tile(1))
    assert found == Found(VALUE, "disk", 1234.5)
    assert not memory.has(tile(1))
    tiered.put(tile(2), b"made of it", found.written)
    for tier in (memory, disk):
        assert tier.get(tile(2)) == CachedValue(b"made of it", 1234.5)
    assert tiered.peek(tile(3)) is None
