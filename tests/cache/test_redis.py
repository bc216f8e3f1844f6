from __future__ import annotations

import time

import pytest
from redis.exceptions import OutOfMemoryError

from cache import Store, StoreFailed
from cache.breaker import OPEN_SECONDS
from cache.redis import FULL_SECONDS, RedisStore
from tests.support.services import RedisServer
from tests.support.store_contract import VALUE, AgingContract, StoreContract, tile, value
from tests.support.waiting import LIMIT_SECONDS, wait_until


class TestRedisStore(StoreContract, AgingContract):
    @pytest.fixture
    def store(self, redis_server: RedisServer) -> RedisStore:
        return RedisStore(redis_server.url)

    @pytest.fixture
    def aging(self, redis_server: RedisServer) -> RedisStore:
        return RedisStore(redis_server.url, ttl_seconds=3600)

    def test_prefixes_keep_services_apart(
        self, store: RedisStore, redis_server: RedisServer
    ) -> None:
        other = RedisStore(redis_server.url, prefix="other*:")
        store.put(tile(1), VALUE)
        assert not other.has(tile(1))
        other.put(tile(2), VALUE)
        assert list(other.keys()) == [tile(2)]
        assert list(store.keys()) == [tile(1)]

    def test_what_is_no_value_is_not_listed(
        self, store: RedisStore, redis_server: RedisServer
    ) -> None:
        store.put(tile(1), VALUE)
        redis_server.client.set(f"overzoom:lease:{tile(2)}", "a holder")
        redis_server.client.hset("overzoom:lease:others", "no", "string")
        assert list(store.keys()) == [tile(1)]

    def test_redis_itself_drops_what_is_too_old(
        self, aging: RedisStore, redis_server: RedisServer
    ) -> None:
        began = time.time()
        aging.put(tile(1), VALUE, began - 1800)
        ends = redis_server.client.expiretime(f"overzoom:{tile(1)}")
        assert began + 1800 - 1 <= ends <= time.time() + 1800 + 1, "in whole seconds"

    def pass_seconds(self, aging: Store, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its clock is Redis's own: what is left of a value's life is what there is to shorten."""
        assert isinstance(aging, RedisStore)
        for key in list(aging.keys()):
            name = f"{aging.prefix}{key}"
            left_ms = aging._client.pttl(name) - round(1000 * seconds)
            if left_ms > 0:
                aging._client.pexpire(name, left_ms)
            else:
                aging._client.delete(name)

    @pytest.mark.parametrize("harm", [VALUE[:-1], b"", b"GIF89a" * 100])
    def test_a_corrupt_value_is_a_miss_and_goes(
        self, store: RedisStore, redis_server: RedisServer, harm: bytes
    ) -> None:
        redis_server.client.set(f"overzoom:{tile(1)}", harm)
        assert store.get(tile(1)) is None
        assert not store.has(tile(1))

    def test_a_value_under_another_key_is_a_miss(
        self, store: RedisStore, redis_server: RedisServer
    ) -> None:
        store.put(tile(1), VALUE)
        redis_server.client.rename(f"overzoom:{tile(1)}", f"overzoom:{tile(2)}")
        assert store.get(tile(2)) is None


def test_a_redis_killed_under_use_costs_misses_and_comes_back(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    own_redis.start()
    store = RedisStore(own_redis.url)
    store.put(tile(1), VALUE)
    assert value(store, tile(1)) == VALUE
    own_redis.kill()
    for number in range(1000):
        assert store.get(tile(number)) is None
        store.put(tile(number), VALUE)
        assert not store.remove(tile(number))
        assert not store.has(tile(number))
        with pytest.raises(StoreFailed, match=store.name):
            list(store.entries())
    assert store.breaker.failures < 500, "most of 5000 calls are not even tried"
    own_redis.start()

    def is_back() -> bool:
        store.put(tile(1), VALUE)
        return value(store, tile(1)) == VALUE

    wait_until(is_back)
    messages = [r.message for r in caplog.records if r.name == "cache.breaker"]
    assert len(messages) == 2, "once when it goes, once when it is back"
    assert "circuit breaker open" in messages[0]
    assert "circuit breaker closed" in messages[1]


def test_a_redis_that_restarted_between_two_calls_is_not_noticed(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    own_redis.start()
    store = RedisStore(own_redis.url)
    store.put(tile(1), VALUE)
    own_redis.kill()
    own_redis.start()
    store.put(tile(1), VALUE)
    assert value(store, tile(1)) == VALUE
    assert not [r for r in caplog.records if r.name.startswith("cache")]


def test_a_redis_that_hangs_costs_one_timeout(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_redis.start()
    RedisStore(own_redis.url).put(tile(1), VALUE)
    monkeypatch.setattr("cache.redis.ANSWER_SECONDS", 0.5)
    store = RedisStore(own_redis.url)
    own_redis.client.execute_command("CLIENT", "PAUSE", 60_000, "ALL")
    store.breaker.open_seconds = LIMIT_SECONDS
    assert [store.get(tile(1)) for _ in range(100)] == [None] * 100
    assert store.breaker.failures == 1


def test_a_full_redis_still_gives_what_it_has(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    own_redis.start("--maxmemory", "4mb", "--maxmemory-policy", "noeviction")
    store = RedisStore(own_redis.url)
    for number in range(600):
        store.put(tile(number), VALUE)
    assert value(store, tile(0)) == VALUE
    assert store.get(tile(599)) is None
    assert store.dropped == 600 - len(list(store.keys())) > 0
    assert [r.message.partition(":")[0] for r in caplog.records] == ["Redis memory"]


def test_no_password_reaches_the_log(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    own_redis.start()
    own_redis.client.config_set("requirepass", "another")
    store = RedisStore(own_redis.url.replace("127", ":verysecret@127"))
    assert store.get(tile(1)) is None
    assert "circuit breaker open" in caplog.text
    assert "verysecret" not in caplog.text
    assert "verysecret" not in repr(store)


def test_an_unusable_url_is_refused() -> None:
    with pytest.raises(ValueError, match="redis://"):
        RedisStore("http://localhost")


def test_a_put_that_a_full_redis_is_spared_does_not_say_that_redis_is_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = RedisStore("redis://127.0.0.1:1")
    store.breaker.open_seconds = 0
    store._room.record_failure(OutOfMemoryError())
    assert store.get(tile(1)) is None
    store.put(tile(1), VALUE)
    assert store.breaker.is_open
    assert store.dropped == 1
    assert "circuit breaker closed" not in caplog.text


@pytest.mark.parametrize("waited_seconds", [0, OPEN_SECONDS], ids=["left alone", "asked in vain"])
def test_a_put_that_no_redis_answers_says_nothing_of_its_memory(
    waited_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("cache.breaker.time.monotonic", lambda: now)
    store = RedisStore("redis://127.0.0.1:1")
    store._room.record_failure(OutOfMemoryError())
    now = FULL_SECONDS
    store.breaker.record_failure(OSError())
    now += waited_seconds
    store.put(tile(1), VALUE)
    assert (store.dropped, store.breaker.failures) == (1, 2 if waited_seconds else 1)
    assert store._room.is_open
    assert store._room.allows(), "the next put may find out"
