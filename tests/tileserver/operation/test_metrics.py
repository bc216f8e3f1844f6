"""Counters, as Prometheus reads them."""

from __future__ import annotations

import timeit

from prometheus_client.parser import text_string_to_metric_families

from cache import MemoryStore
from tileserver.operation.metrics import Empty, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, in the order of their names."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_everything_that_happens_is_counted_by_its_labels() -> None:
    metrics = Metrics("compact", "abc")
    metrics.answered(200, "super-resolved", 0.3)
    metrics.answered(304, "super-resolved", 0.0001)
    metrics.answered(404, "", 0.0001)
    metrics.found("memory")
    metrics.found(None)
    metrics.computed("super-resolved", {"queue": 500.0, "engine": 250.0})
    metrics.answered(200, "uncertainty", 1.5)
    metrics.computed("uncertainty", {})
    metrics.drawn([0.5, 0.25])
    metrics.refused("queue")
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
    metrics.watch(queue, [store, object()])
    assert samples(metrics)["overzoom_queue_windows",] == 0
    store.put("key", b"x" * 6_000)
    queue.waiting, queue.departed, queue.shed = 4, 2, 1
    seen = samples(metrics)
    assert seen["overzoom_queue_windows",] == 4
    assert seen["overzoom_departed_windows_total",] == 2
    assert seen["overzoom_shed_windows_total",] == 1
    assert seen["overzoom_cache_bytes", "memory"] == store.used_bytes > 0
    store.put("another", b"x" * 6_000)
    assert samples(metrics)["overzoom_cache_evictions_total", "memory"] == store.evicted == 1


def test_the_status_tells_of_recent_tiles() -> None:
    metrics = Metrics()
    assert metrics.status()["hit_ratio"] is None
    for tier in ("memory", "disk", "memory", None):
        metrics.found(tier)
    for spent in (100.0, 300.0, 900.0):
        metrics.computed("native", {"read": spent / 2, "encode": spent / 2})
    status = metrics.status()
    assert status["hit_ratio"] == 0.75
    assert status["hits"] == {"memory": 0.5, "disk": 0.25}
    assert status["tile_milliseconds"] == 300
    assert status["waiting_tiles"] == 0


def test_two_servers_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.found("memory")
    assert samples(one)["overzoom_cache_hits_total", "memory"] == 1
    assert ("overzoom_cache_hits_total", "memory") not in samples(other)


def test_counting_a_hit_costs_a_small_share_of_serving_it() -> None:
    metrics = Metrics()

    def hit() -> None:
        metrics.found("memory")
        metrics.answered(200, "native", 0.0005)

    seconds = min(timeit.repeat(hit, number=1000, repeat=5)) / 1000
    assert seconds < 50e-6, "a hit takes some 300 us in all"
