"""Metrics of several workers as those of one server."""

from __future__ import annotations

import pickle
from pathlib import Path

from prometheus_client import generate_latest

from cache import DiskStore, MemoryStore
from tests.support.metrics import Samples, parse_metrics
from tileserver.gauges import Empty
from tileserver.metrics import Metrics
from tileserver.totals import Snapshot, add_up, keep_counters


def samples(metrics: Metrics) -> Samples:
    return parse_metrics(metrics.text().decode())


def worker(folder: Path, computed: int, waiting: int = 0) -> Metrics:
    metrics, memory = Metrics("compact", "abc"), MemoryStore(100_000)
    queue = Empty()
    queue.waiting = waiting
    metrics.watch(queue, [memory, DiskStore(folder, 10**6)])
    memory.put("key", b"x" * 1000)
    for _ in range(computed):
        metrics.count_computed("native", {"read": 20.0 * computed})
        metrics.count_response(200, "native", 0.02)
        metrics.count_lookup(None)
    return metrics


def travelled(snapshot: Snapshot) -> Snapshot:
    """A snapshot as another process receives it."""
    copy: Snapshot = pickle.loads(pickle.dumps(snapshot))
    return copy


def test_a_worker_shows_the_metrics_of_all(tmp_path: Path) -> None:
    DiskStore(tmp_path, 10**6).put("a/key", b"x" * 5000)
    one, other = worker(tmp_path, 2, waiting=3), worker(tmp_path, 5, waiting=4)
    other.count_response(404, "native", 0.001)
    alone = samples(one)
    one.share(one.snapshot(), travelled(other.snapshot()))
    both = samples(one)
    assert alone["overzoom_workers",] == 1
    assert both["overzoom_workers",] == 2
    assert both["overzoom_computed_tiles_total", "native"] == 7
    assert both["overzoom_requests_total", "native", "200"] == 7
    assert both["overzoom_requests_total", "native", "404"] == 1
    assert both["overzoom_request_seconds_bucket", "native", "0.001"] == 1
    assert both["overzoom_request_seconds_bucket", "native", "+Inf"] == 8
    assert both["overzoom_queue_windows",] == 7
    assert both["overzoom_cache_bytes", "memory"] == 2 * alone["overzoom_cache_bytes", "memory"]
    assert both["overzoom_cache_bytes", "disk"] == alone["overzoom_cache_bytes", "disk"] > 5000
    build = one.build
    key = ("overzoom_build_info", build["checkpoint"], build["fingerprint"], build["version"])
    assert both[key] == 1
    assert both["process_start_time_seconds",] == alone["process_start_time_seconds",]
    status = one.status()
    assert status["waiting_tiles"] == 7
    assert status["hit_ratio"] == 0
    assert status["tile_milliseconds"] == 100


def test_metrics_of_one_process_are_what_its_registry_holds(tmp_path: Path) -> None:
    metrics = worker(tmp_path, 3)

    def own(text: bytes) -> list[bytes]:
        return [line for line in text.splitlines() if not line.startswith(b"process_")]

    assert own(metrics.text()) == own(generate_latest(metrics.registry))


def test_what_an_ended_worker_counted_stays_and_what_it_held_goes(tmp_path: Path) -> None:
    ended = keep_counters(worker(tmp_path, 4, waiting=9).snapshot())
    living = worker(tmp_path, 1, waiting=2)
    living.share(living.snapshot(), add_up([Snapshot(), travelled(ended)]))
    seen = samples(living)
    assert seen["overzoom_computed_tiles_total", "native"] == 5
    assert seen["overzoom_request_seconds_count", "native"] == 5
    assert seen["overzoom_queue_windows",] == 2
    assert seen["overzoom_workers",] == 1


def test_counts_since_the_last_report_are_shown_with_the_next(tmp_path: Path) -> None:
    """They would be lost with the worker, and a counter would fall."""
    metrics = worker(tmp_path, 1)
    metrics.share(metrics.snapshot(), Snapshot())
    metrics.count_computed("native", {})
    assert samples(metrics)["overzoom_computed_tiles_total", "native"] == 1
    metrics.share(metrics.snapshot(), Snapshot())
    assert samples(metrics)["overzoom_computed_tiles_total", "native"] == 2
