"""Counters and histograms for Prometheus, and a summary for the viewer.

They are updated where things happen: in the request log, where tiles are looked up, made and drawn,
and where requests are refused. Values that other objects hold (queue, bytes by tier, circuit
breakers, leases) are read by gauges. Where a server has several workers, each shows the metrics of
all (totals).
"""

from __future__ import annotations

import time
from collections import Counter as Counted
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from statistics import median
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from cache import ClusterFlight, Store, TimeLimit
from tileserver.gauges import Gauges, Queue
from tileserver.totals import RECENT, Snapshot, add_up

KINDS = (
    "native",
    "super-resolved",
    "interpolated",
    "nearest",
    "uncertainty",
    "fallback",
    "other",
)
"""The kinds of pixels of an answer: those of X-Overzoom; fallback: interpolated because busy;
other: anything but a tile or a map."""
# From a memory hit (under 1 ms) to the longest wait that browsers allow.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
WINDOWS = (1, 2, 4, 6, 9, 12, 16, 25, 36, 64)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self, checkpoint: str = "", fingerprint: str = "") -> None:
        self.registry = CollectorRegistry()
        self._shared: tuple[Snapshot, Snapshot] | None = None
        ProcessCollector(registry=self.registry)
        self.build = {
            "version": version("overzoom"),
            "checkpoint": checkpoint,
            "fingerprint": fingerprint,
        }
        self._started = time.time()
        self._gauges = Gauges(self.build)
        self.registry.register(self._gauges)
        self._requests = self._counter("requests", "Answered requests.", "status", "kind")
        self._seconds = self._histogram(
            "request_seconds", "Time from a request's arrival to its answer.", SECONDS, "kind"
        )
        self._hits = self._counter("cache_hits", "Tiles found in a cache tier.", "tier")
        self._misses = self._counter("cache_misses", "Tiles found in no cache tier.")
        self._computed = self._counter("computed_tiles", "Tiles computed.", "kind")
        self._converted = self._counter(
            "converted_tiles", "Tiles made from a cached lossless form, not computed."
        )
        self._stages = self._histogram(
            "stage_seconds", "Time to compute a tile, by stage.", SECONDS, "stage"
        )
        self._waits = self._histogram(
            "queue_wait_seconds", "Time in the denoiser's queue.", SECONDS
        )
        self._merged = self._histogram("merged_windows", "Queued windows drawn together.", WINDOWS)
        self._refused = self._counter("refused", "Refused requests.", "reason")
        self._children: dict[tuple[Any, ...], Any] = {}  # prometheus_client takes 2 us to find one
        self._recent_tiers: deque[str | None] = deque(maxlen=RECENT)
        self._recent_milliseconds: deque[float] = deque(maxlen=RECENT)

    def count_response(self, status: int, kind: str, seconds: float) -> None:
        """Count an answered request of any route."""
        kind = kind if kind in KINDS else "other"
        self._child(self._requests, str(status), kind).inc()
        self._child(self._seconds, kind).observe(seconds)

    def count_lookup(self, tier: str | None) -> None:
        """Count a looked-up tile; tier: the cache tier that had it, None for a miss."""
        self._recent_tiers.append(tier)
        if tier is None:
            self._misses.inc()
        else:
            self._child(self._hits, tier).inc()

    def count_computed(self, kind: str, milliseconds: Mapping[str, float]) -> None:
        """Count a computed tile, with its milliseconds by stage."""
        self._child(self._computed, kind).inc()
        for stage, spent in milliseconds.items():
            self._child(self._stages, stage).observe(spent / 1000)
        self._recent_milliseconds.append(sum(milliseconds.values()))

    def count_converted(self) -> None:
        """Count a tile that was made from another format of itself."""
        self._converted.inc()

    def observe_drawn(self, waited_seconds: Sequence[float]) -> None:
        """Count windows that were drawn as one, with the time that each waited."""
        self._merged.observe(len(waited_seconds))
        for waited in waited_seconds:
            self._waits.observe(waited)

    def count_refused(self, reason: str) -> None:
        """Count a refused request.

        reason: "client" (over its limit), "requests" (over the limit of all clients) or "busy"
        (queue or deadline).
        """
        self._child(self._refused, reason).inc()

    def watch(
        self,
        queue: Queue,
        stores: Iterable[Store],
        cluster: ClusterFlight | None = None,
        limits: Iterable[TimeLimit] = (),
        slow_reads: Callable[[], int] = lambda: 0,
    ) -> None:
        """Register the objects whose values are read at every scrape."""
        gauges = self._gauges
        gauges.queue, gauges.stores, gauges.cluster = queue, tuple(stores), cluster
        gauges.limits, gauges.slow_reads = tuple(limits), slow_reads

    def snapshot(self) -> Snapshot:
        """What this process has counted."""
        return Snapshot(
            families=tuple(self.registry.collect()),
            # Copied first: other threads keep appending.
            tiers=tuple(self._recent_tiers.copy()),
            milliseconds=tuple(self._recent_milliseconds.copy()),
            waiting=self._gauges.queue.waiting,
            started=self._started,
        )

    def share(self, own: Snapshot, others: Snapshot) -> None:
        """Show what this worker has reported, and what the server's other workers have.

        Not what it has counted since: that is lost if it is killed, and counters must not fall.
        """
        self._shared = own, others

    def text(self) -> bytes:
        """The metrics of all workers, in Prometheus' text format."""
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """The metrics of all workers, as a Prometheus collector."""
        return iter(self._total().families)

    def status(self) -> dict[str, Any]:
        """The summary of all workers that the viewer shows."""
        total = self._total()
        asked, tiers = len(total.tiers), Counted(tier for tier in total.tiers if tier is not None)
        spent = total.milliseconds
        return {
            **self.build,
            "uptime_seconds": round(time.time() - total.started),
            "waiting_tiles": total.waiting,
            "hit_ratio": round(tiers.total() / asked, 3) if asked else None,
            "hits": {tier: round(hits / asked, 3) for tier, hits in tiers.items()},
            "tile_milliseconds": round(median(spent), 1) if spent else None,
        }

    def _total(self) -> Snapshot:
        return add_up(self._shared or (self.snapshot(),))

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"overzoom_{name}", meaning, labels, registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            f"overzoom_{name}", meaning, labels, registry=self.registry, buckets=buckets
        )

    def _child(self, family: Any, *labels: str) -> Any:
        key = (family, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = family.labels(*labels)
        return child


def add_metrics(app: FastAPI, metrics: Metrics) -> None:
    """Register /metrics and /status.json; neither blocks."""

    @app.get("/metrics", response_class=Response)
    async def metrics_text() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/status.json")
    async def status() -> dict[str, Any]:
        """A summary of load and speed."""
        return metrics.status()
