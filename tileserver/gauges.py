"""Metrics that are read at every scrape: queues, bytes, circuit breakers, leases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, runtime_checkable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from cache import ClusterFlight, Store, TimeLimit


@runtime_checkable
class Bounded(Protocol):
    """A store that knows its size and its number of evictions."""

    @property
    def name(self) -> str: ...
    @property
    def used_bytes(self) -> int: ...
    @property
    def evicted(self) -> int: ...


class Queue(Protocol):
    """The scheduler's queue: numbers of windows."""

    @property
    def waiting(self) -> int: ...
    @property
    def shed(self) -> int: ...
    @property
    def disconnected(self) -> int: ...


class Empty:
    """An empty queue, until the scheduler's is registered."""

    waiting = shed = disconnected = 0


class Gauges:
    """A Prometheus collector of values that other objects hold."""

    def __init__(self, build: Mapping[str, str]) -> None:
        self.build = build
        self.queue: Queue = Empty()
        self.stores: tuple[Store, ...] = ()
        self.cluster: ClusterFlight | None = None
        self.limits: tuple[TimeLimit, ...] = ()
        self.slow_reads: Callable[[], int] = lambda: 0

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(
            "overzoom_build_info",
            "Version, checkpoint and its fingerprint, as labels.",
            labels=list(self.build),
        )
        build.add_metric(list(self.build.values()), 1)
        yield build
        yield GaugeMetricFamily("overzoom_workers", "Processes that answer requests.", 1)
        queue = self.queue
        yield GaugeMetricFamily(
            "overzoom_queue_windows", "Windows waiting for the denoiser.", queue.waiting
        )
        yield CounterMetricFamily(
            "overzoom_disconnected_windows",
            "Queued windows dropped because every client disconnected.",
            queue.disconnected,
        )
        yield CounterMetricFamily(
            "overzoom_shed_windows",
            "Windows refused because they would have missed the deadline.",
            queue.shed,
        )
        yield GaugeMetricFamily(
            "overzoom_slow_reads",
            "Source reads and polls that have been running for more than 2 s; they may hang.",
            self.slow_reads(),
        )
        yield from self._tiers()
        yield from self._services()
        if self.cluster is not None:
            waited, lost = self.cluster.waited, self.cluster.leases.lost
            yield CounterMetricFamily(
                "overzoom_lease_waits", "Tiles that another process was already making.", waited
            )
            yield CounterMetricFamily(
                "overzoom_leases_lost",
                "Leases lost to another process while a tile was made.",
                lost,
            )

    def _tiers(self) -> Iterator[Metric]:
        used = GaugeMetricFamily("overzoom_cache_bytes", "Bytes in a cache tier.", labels=["tier"])
        evicted = CounterMetricFamily(
            "overzoom_cache_evictions", "Tiles evicted to make room.", labels=["tier"]
        )
        dropped = CounterMetricFamily(
            "overzoom_cache_dropped_writes", "Tiles that could not be written.", labels=["tier"]
        )
        for store in self.stores:
            dropped.add_metric([store.name], store.dropped)
            if isinstance(store, Bounded):
                used.add_metric([store.name], store.used_bytes)
                evicted.add_metric([store.name], store.evicted)
        skipped = CounterMetricFamily(
            "overzoom_cache_skipped_calls",
            "Calls of a cache tier skipped because it did not answer in time.",
            labels=["tier"],
        )
        for limit in self.limits:
            skipped.add_metric([limit.name], limit.skipped)
        yield from (used, evicted, dropped, skipped)

    def _services(self) -> Iterator[Metric]:
        away = GaugeMetricFamily(
            "overzoom_service_away", "1 if the circuit breaker is open, else 0.", labels=["service"]
        )
        failures = CounterMetricFamily(
            "overzoom_service_failures", "Failed calls of a service.", labels=["service"]
        )
        breakers = [breaker for store in self.stores for breaker in store.breakers]
        breakers += [limit.breaker for limit in self.limits]
        if self.cluster is not None:
            breakers.append(self.cluster.leases.breaker)
        for breaker in breakers:
            away.add_metric([breaker.name], breaker.is_open)
            failures.add_metric([breaker.name], breaker.failures)
        yield from (away, failures)
