"""Tiers that hang: skipped, never waited for, and used again when they answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from cache import DiskStore, MemoryStore, Tiered, TimeLimit
from tests.support.pipes import hanging
from tests.support.store_contract import VALUE, look_up, tile
from tests.support.waiting import LIMIT_SECONDS, wait_until

SHORT = 0.1


@pytest.fixture
def disk(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "cache", 10**6)


@pytest.fixture
def tiered(disk: DiskStore) -> Iterator[Tiered]:
    tiered = Tiered([MemoryStore(0), disk], SHORT)
    limit = tiered.limits["disk"]
    limit.breaker.open_seconds = 0
    yield tiered
    tiered.close()


def test_a_read_that_hangs_is_skipped_and_others_go_on(disk: DiskStore, tiered: Tiered) -> None:
    disk.put(tile(2), VALUE)
    limit = tiered.limits["disk"]
    with hanging([disk.folder / tile(1)]):
        for _ in range(limit.threads - 1):
            assert tiered.get(tile(1)) is None
        assert limit.skipped >= limit.threads - 1
        wait_until(lambda: look_up(tiered, tile(2)) == (VALUE, "disk"), "one thread is left")
    wait_until(lambda: look_up(tiered, tile(2)) == (VALUE, "disk"))
    assert not limit.breaker.is_open


def test_a_tier_with_all_threads_hanging_is_not_asked_until_one_comes_back(
    disk: DiskStore, tiered: Tiered
) -> None:
    limit, others = tiered.limits["disk"], [tile(number) for number in range(10, 20)]
    stuck = [tile(number) for number in range(limit.threads)]
    disk.put(tile(99), VALUE)
    with hanging(disk.folder / key for key in stuck) as release:
        for key in stuck:
            assert tiered.get(key) is None
        failures = limit.breaker.failures
        for key in others:
            tiered.put(key, VALUE)
            assert tiered.get(key) is None
        assert limit.breaker.failures > failures
        assert not list((disk.folder / others[0]).parent.glob("1?.png"))
        assert len(limit._pool._threads) == limit.threads
        release(disk.folder / stuck[0])
        wait_until(lambda: look_up(tiered, tile(99)) == (VALUE, "disk"), "it is asked again")


def test_a_tier_that_rests_costs_no_call() -> None:
    limit, begun, gate, calls = TimeLimit("slow", SHORT), Event(), Event(), list[int]()
    limit.breaker.open_seconds = LIMIT_SECONDS

    def hang() -> int:
        calls.append(1)
        begun.set()
        gate.wait(LIMIT_SECONDS)
        return 1

    assert limit.call(hang, 0) == 0
    assert begun.wait(LIMIT_SECONDS)
    assert [limit.call(hang, 0) for _ in range(100)] == [0] * 100
    assert (len(calls), limit.skipped, limit.breaker.failures) == (1, 101, 1)
    gate.set()
    limit.close()


def test_what_a_tier_raises_reaches_the_caller(disk: DiskStore) -> None:
    tiered = Tiered([MemoryStore(0), disk], LIMIT_SECONDS)
    for use in (tiered.get, tiered.has, tiered.remove, lambda key: tiered.put(key, VALUE)):
        with pytest.raises(ValueError, match="not a key"):
            use("../outside")
    assert not tiered.limits["disk"].breaker.failures
    tiered.close()


def test_a_put_removes_a_bounded_number_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cache.disk.EVICTED_A_PUT", 2)
    store = DiskStore(tmp_path / "cache", 10**6)
    for number in range(80):
        store.put(tile(number), VALUE)
    before = store.evicted
    store.max_bytes //= 2
    store.put(tile(80), VALUE)
    assert store.evicted == before + 2
    for number in range(81, 140):
        store.put(tile(number), VALUE)
    assert store.used_bytes <= store.max_bytes
