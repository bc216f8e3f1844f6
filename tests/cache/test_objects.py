from __future__ import annotations

import logging
import threading
from pathlib import Path

import obstore
import pytest

from cache import Store, StoreFailed
from cache.objects import ObjectStore
from cache.write_behind import WriteBehind
from tests.support.services import S3
from tests.support.store_contract import VALUE, AgingContract, StoreContract, tile, value
from tests.support.waiting import LIMIT_SECONDS, wait_until


def opened(s3: S3, ttl_seconds: float | None = None) -> ObjectStore:
    return ObjectStore(s3.url(), s3.options, ttl_seconds)


class TestS3(StoreContract, AgingContract):
    @pytest.fixture
    def store(self, s3: S3) -> ObjectStore:
        return opened(s3)

    @pytest.fixture
    def aging(self, s3: S3) -> ObjectStore:
        return opened(s3, ttl_seconds=3600)

    @pytest.mark.parametrize("harm", [VALUE[:-1], b"", b"GIF89a" * 100])
    def test_a_corrupt_object_is_a_miss_and_goes(self, store: ObjectStore, harm: bytes) -> None:
        obstore.put(store._store, tile(1), harm)
        assert store.get(tile(1)) is None
        assert not store.has(tile(1))

    def test_what_is_no_value_is_not_listed(self, store: ObjectStore) -> None:
        obstore.put(store._store, "notes on tiles (1).txt", VALUE)
        store.put(tile(1), VALUE)
        assert list(store.keys()) == [tile(1)]


class TestFolder(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return ObjectStore(f"file://{tmp_path}/new/folder")


class TestBehind(StoreContract):
    """Puts that come later: the contract holds once they have come."""

    @pytest.fixture
    def store(self) -> Store:
        return _Waiting(ObjectStore("memory:///"))


class _Waiting(WriteBehind):
    def put(self, key: str, value: bytes, written: float | None = None) -> None:
        super().put(key, value, written)
        self._queue.join()


def test_a_store_that_goes_away_costs_misses_and_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    s3 = S3()
    s3.start()
    store = opened(s3)
    store.put(tile(1), VALUE)
    assert value(store, tile(1)) == VALUE
    s3.stop()
    for number in range(1000):
        assert store.get(tile(number)) is None
        store.put(tile(number), VALUE)
        assert not store.remove(tile(number))
        assert not store.has(tile(number))
        with pytest.raises(StoreFailed, match=store.name):
            list(store.entries())
    assert store.breakers[0].failures < 500, "most of 5000 calls are not even tried"
    s3.start()

    def is_back() -> bool:
        store.put(tile(1), VALUE)
        return value(store, tile(1)) == VALUE

    wait_until(is_back)
    s3.stop()
    messages = [r.message for r in caplog.records if r.name == "cache.breaker"]
    assert len(messages) == 2
    assert "verysecret" not in caplog.text
    assert all(r.levelno == logging.WARNING for r in caplog.records if r.name == "cache.breaker")


@pytest.mark.parametrize("url", ["nonsense://bucket", "bucket", "s3://"])
def test_an_unusable_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"Error|URL"):
        ObjectStore(url, {"region": "us-east-1"})


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        ObjectStore("s3://bucket", {"nonsense": "1"})


class _Gated(ObjectStore):
    """A store that writes only once it is let."""

    def __init__(self) -> None:
        super().__init__("memory:///")
        self.gate = threading.Event()

    def put(self, key: str, value: bytes, written: float | None = None) -> None:
        assert self.gate.wait(LIMIT_SECONDS)
        super().put(key, value, written)


def test_a_put_behind_the_request_neither_waits_nor_piles_up() -> None:
    slow = _Gated()
    behind = WriteBehind(slow, waiting=10)
    for number in range(100):
        behind.put(tile(number), VALUE, 5.0)
    assert not slow.gate.is_set(), "nobody has written yet"
    assert behind.dropped in (89, 90), "ten wait, and one may be with the writer"
    slow.gate.set()
    behind.close()
    assert len(list(slow.keys())) == 100 - behind.dropped
    first = slow.get(tile(0))
    assert first is not None
    assert first.written == 5.0


def test_a_listing_closes_the_breaker_as_soon_as_it_is_answered() -> None:
    store = ObjectStore("memory:///")
    store.put(tile(1), VALUE)
    store.put(tile(2), VALUE)
    store.breaker.open_seconds = 0
    store.breaker.record_failure(OSError())
    store.breaker.open_seconds = LIMIT_SECONDS
    for entry in store.entries():
        store.remove(entry.key)
    assert list(store.keys()) == []
