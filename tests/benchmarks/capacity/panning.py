"""The simulation's viewers at a real server."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from morecantile import Tile

from tests.benchmarks.capacity.connections import Connections
from tests.benchmarks.capacity.costs import ZOOM
from tests.benchmarks.capacity.load import VIEW, Load, pans
from tests.support.processors import Share
from tests.support.server import Server
from tests.support.tiles import WEB_MERCATOR, path_of


@dataclass
class Tally:
    """What viewers met, and what that took."""

    arrived: int = 0
    in_time: int = 0
    refused: int = 0
    made_waits: list[float] = field(default_factory=list)
    client_seconds: float = 0.0
    """Of a core, for a request: the viewers' own."""
    server_cores: float = 0.0
    other_cores: float = 0.0
    """That processes kept busy that are neither the server nor the viewers."""


def cold_views(server: Server) -> Iterator[list[str]]:
    """Paths of views of tiles that nobody has asked for, in an order of chance."""
    west, south, east, north = server.get("/scene/tilejson.json").json()["bounds"]
    first, last = WEB_MERCATOR.tile(west, north, ZOOM), WEB_MERCATOR.tile(east, south, ZOOM)
    corners = [
        (x, y)
        for x in range(first.x + 1, last.x - VIEW[0], VIEW[0])
        for y in range(first.y + 1, last.y - VIEW[1], VIEW[1])
    ]
    random.Random(1).shuffle(corners)
    for x, y in corners:
        tiles = [Tile(x + i, y + j, ZOOM) for j in range(VIEW[1]) for i in range(VIEW[0])]
        yield [path_of(tile, "scene", "webp") for tile in tiles]


async def pan(server: Server, views: Iterator[list[str]], load: Load, seed: int = 0) -> Tally:
    """The load, with the simulation's own pans."""
    tally, known, viewers = Tally(), next(views), count(1)
    connections = Connections(server.url)
    for path in known:
        await connections.get(path, "10.1.0.1")
    share, own = Share([server.process.pid, os.getpid()]), Share([os.getpid()])
    began = time.monotonic()
    asked: list[asyncio.Task[None]] = []

    async def ask(path: str, viewer: int, cached: bool) -> None:
        tally.arrived += 1
        arrived = time.monotonic()
        status = await connections.get(path, f"10.0.{viewer % 250}.1")
        ended = time.monotonic()
        if status != 200:
            tally.refused += 1
            return
        tally.in_time += ended - began <= load.seconds
        if not cached:
            tally.made_waits.append(ended - arrived)

    for due, cached in pans(load, seed=seed):
        await asyncio.sleep(max(0.0, began + due - time.monotonic()))
        viewer = next(viewers)
        for path in known if cached else next(views):
            asked.append(asyncio.create_task(ask(path, viewer, cached)))
    await asyncio.sleep(max(0.0, began + load.seconds - time.monotonic()))
    tally.other_cores = share.other_cores()
    tally.server_cores = share.own_cores() - own.own_cores()
    tally.client_seconds = own.own() / tally.arrived
    await asyncio.gather(*asked)
    connections.close()
    return tally
