"""`make capacity`: how many servers so many viewers need.

Measures what drawing, answering and Redis cost on this machine, simulates servers and viewers
with these costs (simulation), checks the simulation beside a real server under the same load, and
prints a table. Ends with status 1 where simulated and measured throughput differ by over 20 %: then
the table is not to be relied on. It needs an idle machine: the check compares times by the clock.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import torch
import yaml
from morecantile import Tile

from cache import RedisStore
from engine.imagery import read_many
from engine.window import Window
from tests.benchmarks.native import large_scene
from tests.benchmarks.simulation import VIEW, Costs, Load, Outcome, Simulation
from tests.support.metrics import read_metrics
from tests.support.rasters import SCENE
from tests.support.server import Server, running
from tests.support.services import RedisServer
from tests.support.tiles import WEB_MERCATOR, path_of
from tileserver import checkpoints
from tileserver.assembly import open_catalogue
from tileserver.grid import TILE_PX
from tileserver.grid import WEB_MERCATOR as GRID
from tileserver.settings.reading import read_settings

CPU = ("process_cpu_seconds_total",)
CENTER = (-110.6434, 44.9558)
"""A place in the scene that has ground to the south and the east of it."""
ZOOM = 21
"""Two past the scene's native zoom."""
SHAPES = ((1, 1), (1, 2), (2, 2), (2, 3), (4, 4))
REPEATS = 3
HITS = 2000
CALLS = 2000
TILE_BYTES = 30_000
CHECK_SECONDS = 30.0
DEADLINE_SECONDS = 8.0
OVERLOAD = 1.5
"""The check's load, in what the device can draw: then throughput is what the queue makes of it."""
HIT_RATIO = 0.5
WITHIN = 0.2
REPLICAS = (1, 10, 100, 1000)
VIEWERS = (10, 100, 1000, 10_000, 100_000, 1_000_000)
STAGE = re.compile(r"(\w+);dur=([0-9.]+)")


@dataclass
class Tally:
    """What the check's viewers met."""

    arrived: int = 0
    in_time: int = 0
    refused: int = 0
    made_waits: list[float] = field(default_factory=list)


def main() -> None:
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
        compact = ("--checkpoint", checkpoints.COMPACT)
        processor, elapsed = measure_drawing(config)
        redis_seconds = measure_redis(folder)
        with running("--config", config, *compact, cache=folder / "cache") as server:
            views = list(cold_views(server))
            hit_seconds = measure_hits(server)
            others, waited = measure_beside(server, views, processor)
            costs = cost(processor, others, hit_seconds, redis_seconds)
            print_costs(costs)
            # This machine as it is, busy with whatever else; without Redis.
            here = cost(elapsed, waited, hit_seconds, 0.0)
            load = check_load(here)
            tally = asyncio.run(pan(server, views, load))
            print_stages(server)
    within = print_check(tally, Simulation(here, load).run())
    print_table(costs)
    sys.exit(0 if within else 1)


class Line(NamedTuple):
    """Seconds of drawing as a function of tiles."""

    window_seconds: float
    tile_seconds: float


def cost(drawing: Line, beside_seconds: float, hit_seconds: float, redis_seconds: float) -> Costs:
    """The costs of a server; beside_seconds: of a tile's reading and encoding, on any core."""
    cores = len(os.sched_getaffinity(0))
    busy = min(cores, torch.get_num_threads())  # by drawing; the rest is free for others
    seconds = max(drawing.tile_seconds, (drawing.tile_seconds * busy + beside_seconds) / cores)
    return Costs(drawing.window_seconds, seconds, beside_seconds, hit_seconds, redis_seconds)


def measure_drawing(config: Path) -> tuple[Line, Line]:
    """What drawing takes: of the processor by each thread, and by the clock."""
    settings = read_settings(config, {"checkpoint": str(checkpoints.COMPACT)})
    catalogue = open_catalogue(settings)
    layer = catalogue["scene"].layer(GRID)
    picture, start = layer.pyramid.picture(ZOOM), WEB_MERCATOR.tile(*CENTER, ZOOM)
    places = itertools.count()
    tiles, processor, elapsed = [], [], []
    for rows, cols in itertools.chain([(1, 1)], SHAPES):
        spent = []
        for place in itertools.islice(places, REPEATS):
            row, col = (start.y + 5 * (place // 6)) * TILE_PX, (start.x + 5 * (place % 6)) * TILE_PX
            window = Window(row, col, rows * TILE_PX, cols * TILE_PX)
            source = layer.pin(picture, window)
            began = time.process_time(), time.perf_counter()
            read_many(picture, [window], source)
            spent.append((time.process_time() - began[0], time.perf_counter() - began[1]))
        tiles.append(rows * cols)
        processor.append(statistics.median(one for one, _ in spent) / torch.get_num_threads())
        elapsed.append(statistics.median(other for _, other in spent))
    catalogue.close()
    return fit(tiles[1:], processor[1:]), fit(tiles[1:], elapsed[1:])  # the first warms up


def fit(tiles: list[int], seconds: list[float]) -> Line:
    slope, intercept = np.polyfit(tiles, seconds, 1)
    return Line(max(0.0, float(intercept)), float(slope))


def measure_redis(folder: Path) -> float:
    """Seconds of Redis's own CPU a call, of calls that get or put a tile."""
    redis = RedisServer(folder)
    redis.start()
    try:
        store = RedisStore(redis.url)
        before = redis_cpu(redis)
        for number in range(CALLS // 2):
            store.put(f"tile/{number}.png", b"x" * TILE_BYTES)
            store.get(f"tile/{number}.png")
        spent = redis_cpu(redis) - before
        store.close()
    finally:
        redis.kill()
    return spent / CALLS


def redis_cpu(redis: RedisServer) -> float:
    cpu = redis.client.info("cpu")
    return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])


def cold_views(server: Server) -> Iterator[list[str]]:
    """Views of tiles that nobody has asked for, in an order of chance."""
    west, south, east, north = server.get("/scene/tilejson.json").json()["bounds"]
    first, last = WEB_MERCATOR.tile(west, north, ZOOM), WEB_MERCATOR.tile(east, south, ZOOM)
    across = range(first.x + 1, last.x - VIEW[0], VIEW[0])
    down = range(first.y + 1, last.y - VIEW[1], VIEW[1])
    views = [
        [
            path_of(Tile(x + i, y + j, ZOOM), "scene", "webp")
            for j in range(VIEW[1])
            for i in range(VIEW[0])
        ]
        for x in across
        for y in down
    ]
    random.Random(1).shuffle(views)
    yield from views


def measure_beside(server: Server, views: list[list[str]], drawing: Line) -> tuple[float, float]:
    """Seconds of reading and encoding a tile: of the processor, and by the clock."""
    paths = list(itertools.chain(*(views.pop() for _ in range(3))))
    before = read_metrics(server.client)[CPU]
    waited = []
    for path in paths:
        timing = dict(STAGE.findall(server.get(path).headers["server-timing"]))
        waited.append(sum(float(timing[stage]) for stage in ("read", "encode")) / 1000)
    spent = (read_metrics(server.client)[CPU] - before) / len(paths)
    drawn = sum(drawing) * torch.get_num_threads()
    return max(0.0, spent - drawn), statistics.median(waited)


def measure_hits(server: Server) -> float:
    """Seconds of the server's CPU for a tile from memory."""
    path = path_of(WEB_MERCATOR.tile(*CENTER, ZOOM), "scene", "webp")
    server.get(path)
    before = read_metrics(server.client)[CPU]
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _: server.get(path), range(HITS)):
            assert answer.status_code == 200
    return (read_metrics(server.client)[CPU] - before) / HITS


def check_load(costs: Costs) -> Load:
    """More than a server can draw, half of it cached."""
    capacity = 1 / (costs.tile_seconds + costs.draw_seconds / (VIEW[0] * VIEW[1]))
    load = Load(1, 1, HIT_RATIO, seconds=CHECK_SECONDS, deadline_seconds=DEADLINE_SECONDS)
    return replace(load, pan_seconds=load.offered * load.pan_seconds * 0.5 / (OVERLOAD * capacity))


async def pan(server: Server, views: list[list[str]], load: Load) -> Tally:
    """The load, on a real server."""
    tally, chance, known = Tally(), random.Random(2), views.pop()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=60) as client:
        for path in known:
            await client.get(path)
        began = time.monotonic()
        asked: list[asyncio.Task[None]] = []

        async def ask(path: str, viewer: int, cached: bool) -> None:
            tally.arrived += 1
            arrived = time.monotonic()
            answer = await client.get(path, headers={"X-Forwarded-For": f"10.0.{viewer % 250}.1"})
            ended = time.monotonic()
            if answer.status_code != 200:
                tally.refused += 1
                return
            tally.in_time += ended - began <= load.seconds
            if not cached:
                tally.made_waits.append(ended - arrived)

        due, number = 0.0, 0
        while (due := due + chance.expovariate(1 / load.pan_seconds)) < load.seconds:
            await asyncio.sleep(max(0.0, began + due - time.monotonic()))
            cached = chance.random() < load.hit_ratio
            number += 1
            for path in known if cached else views.pop():
                asked.append(asyncio.create_task(ask(path, number, cached)))
        await asyncio.gather(*asked)
    return tally


def print_costs(costs: Costs) -> None:
    cores = torch.get_num_threads()
    per_tile = costs.tile_seconds + costs.draw_seconds / 16
    print(
        f"a replica draws on {cores} cores: a window takes {costs.draw_seconds * 1000:.0f} ms and"
    )
    print(f"{costs.tile_seconds * 1000:.0f} ms a tile; a cached tile {costs.hit_seconds * 1e3:.2f}")
    print(f"ms; a call of Redis {costs.redis_seconds * 1e6:.0f} us of its CPU.")
    print(f"A million tiles: drawn {per_tile * cores * 1e6 / 3600:.0f} core-hours, cached", end=" ")
    print(f"{costs.hit_seconds * 1e6 / 3600:.2f} core-hours.", flush=True)


def print_stages(server: Server) -> None:
    """Where the time of the tiles went that the server made."""
    seen = read_metrics(server.client)
    for name, *labels in seen:
        if name == "overzoom_stage_seconds_count":
            mean = seen["overzoom_stage_seconds_sum", *labels] / seen[(name, *labels)]
            print(f"  {labels[0]:<10} {mean:.3f} s in the mean")


def print_check(tally: Tally, simulated: Outcome) -> bool:
    """Whether the simulation is near enough."""
    load = simulated.load
    measured = tally.in_time / load.seconds
    ratio = simulated.tiles_per_second / measured
    waits = simulated.made_waits
    print(f"\nchecked at {load.offered:.1f} tiles a second for {load.seconds:.0f} s:")
    print(
        f"  measured   {measured:.2f} tiles/s, {tally.refused / tally.arrived:.0%} refused, ",
        end="",
    )
    print(f"drawn ones wait {statistics.median(tally.made_waits):.2f} s")
    print(f"  simulated  {simulated.tiles_per_second:.2f} tiles/s, ", end="")
    print(f"{simulated.refused / simulated.arrived:.0%} refused, ", end="")
    print(f"drawn ones wait {statistics.median(waits):.2f} s")
    print(f"  ratio {ratio:.2f}: {'within' if abs(ratio - 1) <= WITHIN else 'NOT within'} 20 %\n")
    return abs(ratio - 1) <= WITHIN


def print_table(costs: Costs) -> None:
    print("| replicas | viewers | tiles/s | p50, s | p99, s | refused | busiest |")
    print("|---|---|---|---|---|---|---|")
    for replicas, viewers in itertools.product(REPLICAS, VIEWERS):
        outcome = Simulation(costs, Load(viewers, replicas)).run()
        print(
            f"| {replicas:,} | {viewers:,} | {outcome.tiles_per_second:,.0f} "
            f"| {outcome.wait(0.5):.3f} | {outcome.wait(0.99):.2f} "
            f"| {outcome.refused_share:.1%} | {outcome.bottleneck} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
