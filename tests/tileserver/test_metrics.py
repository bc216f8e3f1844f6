"""Counters, as Prometheus reads them."""

from __future__ import annotations

import asyncio
import cProfile
import shutil
from pathlib import Path

from cache import (
    ClusterFlight,
    DiskStore,
    Leases,
    MemoryStore,
    ObjectStore,
    RedisStore,
    WriteBehind,
)
from tests.support.metrics import parse_metrics
from tests.support.services import RedisServer
from tests.support.waiting import wait_until_async
from tileserver.gauges import Empty
from tileserver.metrics import Metrics
from tileserver.tiles.request import NEAREST, Mode

AWAY, FAILURES = "overzoom_service_away", "overzoom_service_failures_total"
DROPPED = "overzoom_cache_dropped_writes_total"


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return parse_metrics(metrics.text().decode())


def test_tiles_of_every_kind_have_a_label_of_their_own() -> None:
    metrics = Metrics()
    kinds = {"native", NEAREST, *map(str, Mode)}
    for kind in kinds:
        metrics.count_response(200, kind, 0.1)
    seen = samples(metrics)
    assert all(seen["overzoom_requests_total", kind, "200"] == 1 for kind in kinds)
    assert ("overzoom_requests_total", "other", "200") not in seen


def test_everything_that_happens_is_counted_by_its_labels() -> None:
    metrics = Metrics("compact", "abc")
    metrics.count_response(200, "super-resolved", 0.3)
    metrics.count_response(304, "super-resolved", 0.0001)
    metrics.count_response(404, "", 0.0001)
    metrics.count_lookup("memory")
    metrics.count_lookup(None)
    metrics.count_computed("super-resolved", {"queue": 500.0, "engine": 250.0})
    metrics.count_response(200, "uncertainty", 1.5)
    metrics.count_computed("uncertainty", {})
    metrics.observe_drawn([0.5, 0.25])
    metrics.count_refused("queue")
    seen = samples(metrics)
    assert seen["overzoom_requests_total", "super-resolved", "200"] == 1
    assert seen["overzoom_requests_total", "super-resolved", "304"] == 1
    assert seen["overzoom_requests_total", "other", "404"] == 1
    assert seen["overzoom_request_seconds_count", "super-resolved"] == 2
    assert seen["overzoom_cache_hits_total", "memory"] == 1
    assert seen["overzoom_cache_misses_total",] == 1
    assert seen["overzoom_computed_tiles_total", "super-resolved"] == 1
    assert seen["overzoom_requests_total", "uncertainty", "200"] == 1
    assert seen["overzoom_computed_tiles_total", "uncertainty"] == 1
    assert seen["overzoom_stage_seconds_sum", "engine"] == 0.25
    assert seen["overzoom_queue_wait_seconds_sum",] == 0.75
    assert seen["overzoom_merged_windows_sum",] == 2
    assert seen["overzoom_refused_total", "queue"] == 1
    assert seen["overzoom_build_info", "compact", "abc", metrics.build["version"]] == 1
    assert seen["process_resident_memory_bytes",] > 2**20


def test_queue_and_bytes_are_read_when_they_are_asked_for() -> None:
    metrics, store = Metrics(), MemoryStore(10_000)
    queue = Empty()
    metrics.watch(queue, [store, RedisStore("redis://127.0.0.1:1/0")])
    assert samples(metrics)["overzoom_queue_windows",] == 0
    store.put("key", b"x" * 6_000)
    queue.waiting, queue.disconnected, queue.shed = 4, 2, 1
    seen = samples(metrics)
    assert seen["overzoom_queue_windows",] == 4
    assert seen["overzoom_disconnected_windows_total",] == 2
    assert seen["overzoom_shed_windows_total",] == 1
    assert seen["overzoom_cache_bytes", "memory"] == store.used_bytes > 0
    store.put("another", b"x" * 6_000)
    assert samples(metrics)["overzoom_cache_evictions_total", "memory"] == store.evicted == 1


def test_a_service_that_is_away_is_seen_until_it_is_back(own_redis: RedisServer) -> None:
    tier, metrics = RedisStore(own_redis.url), Metrics()
    refused = {"endpoint": "http://127.0.0.1:1", "region": "x", "skip_signature": "true"}
    objects = WriteBehind(ObjectStore("s3://bucket", refused))
    tier.breaker.open_seconds = 0
    metrics.watch(Empty(), [tier, objects])
    assert samples(metrics)[AWAY, "Redis"] == 0
    assert samples(metrics)[AWAY, "Redis memory"] == 0
    tier.get("a/b/c")
    objects.get("a/b/c")
    seen = samples(metrics)
    assert (seen[AWAY, "Redis"], seen[FAILURES, "Redis"]) == (1, 1)
    assert (seen[AWAY, "object store"], seen[FAILURES, "object store"]) == (1, 1)
    own_redis.start()
    tier.get("a/b/c")
    seen = samples(metrics)
    assert (seen[AWAY, "Redis"], seen[FAILURES, "Redis"]) == (0, 1)
    tier.close()
    objects.close()


def test_leases_that_are_waited_for_and_lost_are_counted(redis_server: RedisServer) -> None:
    metrics = Metrics()
    values: list[bytes | None] = [None, b"made elsewhere"]

    async def found() -> bytes | None:
        return values.pop()

    async def scenario() -> None:
        cluster = ClusterFlight(Leases(redis_server.url, lease_seconds=0.3))

        async def work() -> bytes:
            redis_server.client.set("overzoom:lease:k", "another")
            await wait_until_async(lambda: cluster.leases.lost)
            return b"made"

        metrics.watch(Empty(), [], cluster)
        redis_server.client.set("overzoom:lease:k", "another")
        waiting = asyncio.create_task(cluster.run("k", found, work))
        await wait_until_async(lambda: cluster.waited)
        redis_server.client.delete("overzoom:lease:k")
        assert await waiting == b"made elsewhere"
        assert await cluster.run("k", found, work) == b"made"
        await cluster.close()

    asyncio.run(scenario())
    seen = samples(metrics)
    assert seen["overzoom_lease_waits_total",] == 1
    assert seen["overzoom_leases_lost_total",] == 1
    assert seen[AWAY, "Redis leases"] == 0


def test_writes_that_a_tier_dropped_are_counted(tmp_path: Path) -> None:
    disk, metrics = DiskStore(tmp_path / "cache", 2**20), Metrics()
    behind = WriteBehind(ObjectStore("memory:///"), waiting=1)
    metrics.watch(Empty(), [disk, behind])
    disk.put("a/b/c", b"x")
    behind.put("a/b/c", b"x")
    assert (samples(metrics)[DROPPED, "disk"], samples(metrics)[DROPPED, "objects"]) == (0, 0)
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_bytes(b"no folder")
    behind.close()  # nobody writes what comes from now on
    for _ in range(3):
        disk.put("a/b/c", b"x")
        behind.put("a/b/c", b"x")
    assert (samples(metrics)[DROPPED, "disk"], samples(metrics)[DROPPED, "objects"]) == (3, 2)


def test_the_status_tells_of_recent_tiles() -> None:
    metrics = Metrics()
    assert metrics.status()["hit_ratio"] is None
    for tier in ("memory", "disk", "memory", None):
        metrics.count_lookup(tier)
    for spent in (100.0, 300.0, 900.0):
        metrics.count_computed("native", {"read": spent / 2, "encode": spent / 2})
    status = metrics.status()
    assert status["hit_ratio"] == 0.75
    assert status["hits"] == {"memory": 0.5, "disk": 0.25}
    assert status["tile_milliseconds"] == 300
    assert status["waiting_tiles"] == 0


def test_two_servers_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.count_lookup("memory")
    assert samples(one)["overzoom_cache_hits_total", "memory"] == 1
    assert ("overzoom_cache_hits_total", "memory") not in samples(other)


def test_counting_a_hit_costs_few_calls() -> None:
    metrics = Metrics()

    def hit() -> None:
        metrics.count_lookup("memory")
        metrics.count_response(200, "native", 0.0005)

    hit()  # makes the series
    profile = cProfile.Profile()
    profile.runcall(hit)
    calls = sum(entry.callcount for entry in profile.getstats())
    assert calls < 100, "a hit takes thousands in all"
