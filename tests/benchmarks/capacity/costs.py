"""What a server's work takes of a core, measured.

In this process: how much of a tile is drawing, reading and encoding, and how drawing grows with the
window. On the server: what all that takes, as long as the machine is as busy as it is.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from cache import RedisStore
from engine.imagery import Pixels, read_many
from engine.window import Window
from tests.benchmarks.capacity.load import VIEW, Costs
from tests.support.processors import Share, cpu_seconds
from tests.support.server import Server
from tests.support.services import RedisServer
from tests.support.tiles import WEB_MERCATOR, path_of
from tileserver import checkpoints
from tileserver.assembly import open_catalogue
from tileserver.grid import TILE_PX
from tileserver.grid import WEB_MERCATOR as GRID
from tileserver.settings.reading import read_settings
from tileserver.tiles.encoding import ImageFormat, encode

CENTER = (-110.6434, 44.9558)
"""A place in the scene that has ground to the south and the east of it."""
ZOOM = 21
"""Two past the scene's native zoom."""
SHAPES = ((1, 1), (1, 2), (2, 2), VIEW, (4, 4))
REPEATS = 3
NEW_TILES = 30
HITS = 2000
CALLS = 2000
TILE_BYTES = 30_000


class Work(NamedTuple):
    """Seconds of a core, for a tile that is drawn alone."""

    window: float
    """Of drawing, whatever the window's size."""
    tile: float
    """Of drawing, for each tile of the window."""
    reading: float
    """In a view: neighbours share blocks of the source."""
    encoding: float

    def scaled(self, seconds: float) -> Work:
        """In the same proportions, so many seconds in all."""
        return Work(*(part * seconds / sum(self) for part in self))


def measure_work(config: Path) -> Work:
    """What a new tile takes in this process."""
    settings = read_settings(config, {"checkpoint": str(checkpoints.COMPACT)})
    catalogue = open_catalogue(settings)
    layer = catalogue["scene"].layer(GRID)
    picture, start = layer.pyramid.picture(ZOOM), WEB_MERCATOR.tile(*CENTER, ZOOM)
    places = itertools.count()
    tiles, drawing, reading, encoding = [], [], [], []
    for rows, cols in itertools.chain([(1, 1)], SHAPES):
        spent = []
        for place in itertools.islice(places, REPEATS):
            row, col = (start.y + 5 * (place // 6)) * TILE_PX, (start.x + 5 * (place % 6)) * TILE_PX
            window = Window(row, col, rows * TILE_PX, cols * TILE_PX)
            began = time.process_time()
            source = layer.pin(picture, window)
            read = time.process_time()
            (pixels,) = read_many(picture, [window], source)
            spent.append((read - began, time.process_time() - read))
        tiles.append(rows * cols)
        reading.append(statistics.median(one for one, _ in spent) / (rows * cols))
        drawing.append(statistics.median(other for _, other in spent))
        encoding.append(_measure_encoding(pixels[:, :TILE_PX, :TILE_PX]))
    catalogue.close()
    slope, intercept = np.polyfit(tiles[1:], drawing[1:], 1)  # the first warms up
    of_view = reading[1 + SHAPES.index(VIEW)]
    return Work(max(0.0, float(intercept)), float(slope), of_view, statistics.median(encoding))


def _measure_encoding(pixels: Pixels) -> float:
    levels = (pixels.clip(0, 1) * 255).round().astype(np.uint8)
    opaque = np.full(levels.shape[1:], 255, np.uint8)
    began = time.process_time()
    encode(levels, opaque, ImageFormat.webp, lossless=False)
    return time.process_time() - began


def measure_redis(folder: Path) -> float:
    """Redis's own seconds a call, of calls that get or put a tile."""
    redis = RedisServer(folder)
    redis.start()
    assert redis.process is not None
    try:
        store = RedisStore(redis.url)
        before = cpu_seconds(redis.process.pid)
        for number in range(CALLS // 2):
            store.put(f"tile/{number}.png", b"x" * TILE_BYTES)
            store.get(f"tile/{number}.png")
        spent = cpu_seconds(redis.process.pid) - before
        store.close()
    finally:
        redis.kill()
    return spent / CALLS


def measure_server(server: Server, views: Iterator[list[str]], work: Work) -> Costs:
    """What new and cached tiles take of a server, without Redis."""
    hit_seconds = _measure_hits(server)
    paths = list(itertools.islice(itertools.chain.from_iterable(views), NEW_TILES))
    share = Share([server.process.pid])
    for path in paths:
        server.get(path).raise_for_status()
    work = work.scaled(share.own() / len(paths) - hit_seconds)
    return Costs(
        draw_seconds=work.window,
        tile_seconds=work.tile,
        read_seconds=work.reading,
        encode_seconds=work.encoding,
        hit_seconds=hit_seconds,
        redis_seconds=0.0,
        cores=len(os.sched_getaffinity(0)),
        threads=torch.get_num_threads(),
    )


def _measure_hits(server: Server) -> float:
    """Seconds of the server for a tile from memory."""
    path = path_of(WEB_MERCATOR.tile(*CENTER, ZOOM), "scene", "webp")
    server.get(path)
    share = Share([server.process.pid])
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _: server.get(path), range(HITS)):
            answer.raise_for_status()
    return share.own() / HITS
