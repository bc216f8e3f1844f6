"""Metrics of several workers as those of one server.

A worker's snapshot travels to the others (process.supervisor), and a scrape of any worker adds up
all of them. What ended workers counted stays counted, so that no counter ever falls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

RECENT = 1024
"""The latest tiles that are summarised: some screens of some viewers."""
LARGEST = {"overzoom_build_info", "overzoom_service_away"}
"""Samples that are the same in all workers, or true of the server where they are of one."""
LEAST = {"process_start_time_seconds", "process_max_fds"}
COUNTERS = {"counter", "histogram"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one worker, or several, have counted."""

    families: tuple[Metric, ...] = ()
    tiers: tuple[str | None, ...] = ()
    """The cache tiers that had the latest tiles looked up; None for a miss."""
    milliseconds: tuple[float, ...] = ()
    """What the latest computed tiles took."""
    waiting: int = 0
    """Windows in the queue."""
    started: float = float("inf")
    """When the first of the workers started (seconds since 1970)."""


def add_up(snapshots: Sequence[Snapshot]) -> Snapshot:
    """The snapshot of all workers together: sums, but for what they share."""
    recent = RECENT // max(1, len(snapshots))
    return Snapshot(
        families=_add_families(family for one in snapshots for family in one.families),
        tiers=tuple(tier for one in snapshots for tier in one.tiers[-recent:]),
        milliseconds=tuple(spent for one in snapshots for spent in one.milliseconds[-recent:]),
        waiting=sum(one.waiting for one in snapshots),
        started=min((one.started for one in snapshots), default=float("inf")),
    )


def keep_counters(snapshot: Snapshot) -> Snapshot:
    """What remains of a worker that has ended: its counters, not its queue or its memory."""
    families = tuple(family for family in snapshot.families if family.type in COUNTERS)
    return Snapshot(families=families, started=snapshot.started)


def _add_families(families: Iterable[Metric]) -> tuple[Metric, ...]:
    """Families by name, each with the samples of all that have the name."""
    totals: dict[str, Metric] = {}
    values: dict[str, dict[tuple[object, ...], Sample]] = {}
    for family in families:
        if family.name not in totals:
            totals[family.name] = Metric(family.name, family.documentation, family.type)
        samples = values.setdefault(family.name, {})
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            before = samples.get(key, sample)
            if before is not sample:
                before = before._replace(value=_rule(sample)((before.value, sample.value)))
            samples[key] = before
    for name, total in totals.items():
        total.samples = list(values[name].values())
    return tuple(totals.values())


def _rule(sample: Sample) -> Callable[[tuple[float, float]], float]:
    """How the values of one sample of two workers become one."""
    shares_folder = sample.name == "overzoom_cache_bytes" and sample.labels.get("tier") == "disk"
    if sample.name in LARGEST or shares_folder:
        return max
    if sample.name in LEAST or sample.name.endswith("_created"):
        return min
    return sum
