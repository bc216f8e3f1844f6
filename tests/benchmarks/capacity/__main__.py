"""`make capacity`: how many servers so many viewers need.

Measures what drawing, answering and Redis take of a core of this machine, simulates servers and
viewers with these costs, checks the simulation beside a real server under the same load, and prints
a table. Ends with status 1 where simulated and measured throughput differ by over 20 %: then the
table is not to be relied on. In the check the server has the cores that the viewers' own process
and all others leave it; on an idle machine costs are a little lower.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import yaml

from tests.benchmarks.capacity.costs import measure_redis, measure_server, measure_work
from tests.benchmarks.capacity.load import VIEW_TILES, Costs, Load, Outcome
from tests.benchmarks.capacity.panning import Tally, cold_views, pan
from tests.benchmarks.capacity.simulation import Simulation
from tests.benchmarks.native import large_scene
from tests.support.metrics import read_metrics
from tests.support.processors import Share
from tests.support.rasters import SCENE
from tests.support.server import Server, running
from tileserver import checkpoints

CHECK_SECONDS = 45.0
DEADLINE_SECONDS = 8.0
OVERLOAD = 1.5
"""The check's load, in what the cores can draw: then throughput is what the queue makes of it."""
HIT_RATIO = 0.5
LEAST_CORES = 0.1
WITHIN = 0.2
REPLICAS = (1, 10, 100, 1000)
VIEWERS = (10, 100, 1000, 10_000, 100_000, 1_000_000)


def main() -> None:
    if os.environ.get("OMP_WAIT_POLICY") != "passive":
        raise SystemExit("set OMP_WAIT_POLICY=passive, as the server does: make capacity")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "overzoom.yaml"
        values = {
            "sources": {"scene": {"path": str(large_scene(SCENE, folder / "scene.tif"))}},
            "access": {"trusted_proxies": ["127.0.0.1"]},
            "deadline_seconds": DEADLINE_SECONDS,
            "log": {"requests": "none"},
        }
        config.write_text(yaml.safe_dump(values))
        work, redis_seconds = measure_work(config), measure_redis(folder)
        compact = ("--checkpoint", checkpoints.COMPACT)
        with running("--config", config, *compact, cache=folder / "cache") as server:
            views = cold_views(server)
            share = Share([server.process.pid, os.getpid()])
            costs = measure_server(server, views, work)
            _print_costs(replace(costs, redis_seconds=redis_seconds))
            load = _check_load(costs, share.other_cores())
            tally = asyncio.run(pan(server, views, load))
            _print_stages(server)
    beside = replace(
        costs,
        client_seconds=tally.client_seconds,
        cores=max(LEAST_CORES, costs.cores - tally.other_cores),
    )
    within = _print_check(tally, Simulation(beside, load).run(), beside)
    _print_table(replace(costs, redis_seconds=redis_seconds))
    sys.exit(0 if within else 1)


def _check_load(costs: Costs, other_cores: float) -> Load:
    """More than a server can draw beside other processes, half of it cached."""
    cores = max(LEAST_CORES, costs.cores - other_cores)
    viewers = OVERLOAD * cores / costs.drawn_seconds / (1 - HIT_RATIO) / VIEW_TILES
    return Load(viewers, 1, HIT_RATIO, 1.0, CHECK_SECONDS, DEADLINE_SECONDS)


def _print_costs(costs: Costs) -> None:
    print(f"milliseconds of a core: a window {costs.draw_seconds * 1000:.0f}, and of each tile")
    print(f"in it drawing {costs.tile_seconds * 1000:.0f}, reading {costs.read_seconds * 1000:.1f}")
    print(
        f"and encoding {costs.encode_seconds * 1000:.1f}; a request {costs.hit_seconds * 1e3:.2f};"
    )
    print(f"a call of Redis {costs.redis_seconds * 1e3:.3f}. A server has {costs.cores:g} cores.")
    print(f"A million tiles: new {costs.drawn_seconds * 1e6 / 3600:.0f} core-hours,", end=" ")
    print(f"cached {costs.hit_seconds * 1e6 / 3600:.2f} core-hours.", flush=True)


def _print_stages(server: Server) -> None:
    """Where the time of the tiles went that the server made."""
    seen = read_metrics(server.client)
    for name, *labels in seen:
        if name == "overzoom_stage_seconds_count":
            mean = seen["overzoom_stage_seconds_sum", *labels] / seen[(name, *labels)]
            print(f"  {labels[0]:<10} {mean:.3f} s in the mean")


def _print_check(tally: Tally, simulated: Outcome, costs: Costs) -> bool:
    """Whether the simulation is near enough."""
    load = simulated.load
    measured = tally.in_time / load.seconds
    ratio = simulated.tiles_per_second / measured
    print(f"\nchecked at {load.offered:.1f} tiles a second for {load.seconds:.0f} s; other")
    print(f"processes took {tally.other_cores:.2f} cores, each request", end=" ")
    print(f"{tally.client_seconds * 1000:.1f} ms of a core at its sender:")
    rows = [
        ("measured", measured, tally.refused / tally.arrived, tally.made_waits, tally.server_cores),
        (
            "simulated",
            simulated.tiles_per_second,
            simulated.refused / simulated.arrived,
            simulated.made_waits,
            simulated.busy["cores"] * costs.cores - costs.client_seconds * load.offered,
        ),
    ]
    for name, rate, refused, waits, cores in rows:
        print(f"  {name:<10} {rate:.2f} tiles/s, {refused:.0%} refused, new ones wait", end=" ")
        print(f"{statistics.median(waits):.2f} s, {cores:.2f} cores busy")
    print(f"  ratio {ratio:.2f}: {'within' if abs(ratio - 1) <= WITHIN else 'NOT within'} 20 %\n")
    return abs(ratio - 1) <= WITHIN


def _print_table(costs: Costs) -> None:
    print("| replicas | viewers | tiles/s | p50, s | p99, s | refused | busiest |")
    print("|---|---|---|---|---|---|---|")
    for replicas, viewers in itertools.product(REPLICAS, VIEWERS):
        if viewers < replicas:
            continue
        outcome = Simulation(costs, Load(viewers, replicas)).run()
        print(
            f"| {replicas:,} | {viewers:,} | {outcome.tiles_per_second:,.0f} "
            f"| {outcome.wait(0.5):.3f} | {outcome.wait(0.99):.2f} "
            f"| {outcome.refused_share:.1%} | {outcome.bottleneck} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
