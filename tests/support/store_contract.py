"""What any store must do: its tests subclass this and provide the `store` fixture."""

from __future__ import annotations

import threading
import time

import pytest

from cache import Entry, Store, Tiered, TileKey

VALUE = bytes(range(256)) * 40
FINGERPRINT = f"{'e' * 16}-{'f' * 16}"


def tile(number: int, source: str = "scene") -> str:
    """The path of one of many tiles."""
    return TileKey(source, FINGERPRINT, "WebMercatorQuad", 20, number % 7, number, "png").path


def value(store: Store, key: str) -> bytes | None:
    kept = store.get(key)
    return None if kept is None else kept.value


def look_up(tiered: Tiered, key: str) -> tuple[bytes, str] | None:
    """A value and the name of the tier that had it."""
    found = tiered.get(key)
    return None if found is None else (found.value, found.tier)


def finish_scans() -> None:
    """Wait for what disk stores do beside the requests."""
    for thread in threading.enumerate():
        if thread.name == "disk cache scan":
            thread.join()


class StoreContract:
    """What any store must do."""

    def test_a_miss_is_none(self, store: Store) -> None:
        assert store.get(tile(0)) is None
        assert not store.has(tile(0))

    def test_a_value_comes_back_as_it_was_put(self, store: Store) -> None:
        store.put(tile(1), VALUE)
        store.put(tile(2), b"")
        assert value(store, tile(1)) == VALUE
        assert value(store, tile(2)) == b""
        assert store.has(tile(1))
        assert store.has(tile(2))

    def test_a_value_knows_when_it_was_made(self, store: Store) -> None:
        before = time.time()
        store.put(tile(1), VALUE)
        store.put(tile(2), VALUE, 12345.5)
        now, given = store.get(tile(1)), store.get(tile(2))
        assert now is not None
        assert given is not None
        assert before <= now.written <= time.time()
        assert given.written == 12345.5

    def test_a_later_value_replaces_an_earlier(self, store: Store) -> None:
        store.put(tile(1), VALUE)
        store.put(tile(1), b"other")
        assert value(store, tile(1)) == b"other"

    def test_a_removed_value_is_a_miss_and_others_stay(self, store: Store) -> None:
        store.put(tile(1), VALUE)
        store.put(tile(8), b"neighbour")
        assert store.remove(tile(1))
        assert store.remove(tile(1)), "there is none"
        assert store.get(tile(1)) is None
        assert not store.has(tile(1))
        assert value(store, tile(8)) == b"neighbour"

    def test_it_lists_what_starts_with_a_prefix(self, store: Store) -> None:
        kept = {tile(n, source): n * b"x" for n in range(20) for source in ("scene", "scene2")}
        for key, content in kept.items():
            store.put(key, content)
        store.remove(tile(3))
        del kept[tile(3)]
        assert sorted(store.keys()) == sorted(kept)
        for prefix in ("scene/", "scene", "sc", tile(5)[:-5], tile(5), "nothing/"):
            wanted = sorted(key for key in kept if key.startswith(prefix))
            assert sorted(store.keys(prefix)) == wanted, prefix
        (entry,) = store.entries(tile(19, "scene2"))
        assert entry == Entry(tile(19, "scene2"), entry.size_bytes)
        assert 19 <= entry.size_bytes <= 19 + 64


class AgingContract:
    """What a store with a time to live of an hour adds: the fixture `aging` provides it."""

    @pytest.mark.parametrize("age_seconds", [0, 3500])
    def test_a_value_within_its_time_is_there(self, aging: Store, age_seconds: float) -> None:
        aging.put(tile(1), VALUE, time.time() - age_seconds)
        assert value(aging, tile(1)) == VALUE
        assert aging.has(tile(1))

    def test_a_value_past_its_time_is_a_miss(self, aging: Store) -> None:
        aging.put(tile(1), VALUE, time.time() - 3601)
        assert aging.get(tile(1)) is None
        assert not aging.has(tile(1))
        assert list(aging.keys()) == []

    def test_using_a_value_does_not_lengthen_its_life(
        self, aging: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aging.put(tile(1), VALUE, time.time() - 3000)
        assert aging.get(tile(1)) is not None
        self.pass_seconds(aging, 601, monkeypatch)
        assert aging.get(tile(1)) is None

    def pass_seconds(self, aging: Store, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let time go by, for a store that looks at this process's clock."""
        later = time.time() + seconds
        monkeypatch.setattr(time, "time", lambda: later)


class BoundedContract:
    """What a store bounded by 512 KiB adds: the fixture `store` provides it."""

    def test_it_stays_within_its_bytes_and_keeps_what_was_used_last(self, store: Store) -> None:
        for number in range(100):
            store.put(tile(number), VALUE)
            assert value(store, tile(0)) == VALUE, "used all the time, never evicted"
        finish_scans()
        kept = [number for number in range(100) if store.get(tile(number)) is not None]
        assert 0 in kept
        assert 99 in kept
        assert 30 < len(kept) < 60
        assert store.used_bytes <= 512 * 1024  # type: ignore[attr-defined]  # bounded stores have it
        assert store.evicted == 100 - len(kept)  # type: ignore[attr-defined]  # bounded stores have it

    def test_a_value_larger_than_the_store_is_not_kept(self, store: Store) -> None:
        store.put(tile(1), bytes(600 * 1024))
        assert store.get(tile(1)) is None
