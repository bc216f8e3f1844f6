"""Native tiles of ours beside a plain titiler.core, in one run: the two take turns on one file.

The demo scene is too small for it: it is laid out in a square of copies, each mirrored so that
they meet, with overviews. Every tile is asked for once of either server.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import rasterio
from morecantile import Tile
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

from tests.support.processors import cpu_seconds
from tests.support.services import free_port
from tests.support.tiles import WEB_MERCATOR
from tileserver.cli.environment import LIBRARY_ENVIRONMENT

NATIVE = 19
COPIES = 4
CONNECTIONS = 6
TURN_TILES = 48
PLAIN = """
import sys, uvicorn
from fastapi import FastAPI
from titiler.core.factory import TilerFactory
app = FastAPI()
app.include_router(TilerFactory().router)
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""


def large_scene(scene: Path, path: Path) -> Path:
    """The scene in COPIES x COPIES, every other one mirrored, tiled and with overviews."""
    with rasterio.open(scene) as source:
        pixels, profile = source.read(), source.profile
    wide = np.concatenate([pixels, pixels[:, :, ::-1]] * (COPIES // 2), axis=2)
    square = np.concatenate([wide, wide[:, ::-1]] * (COPIES // 2), axis=1)
    options = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    transform: Affine = profile["transform"]
    with rasterio.open(
        path, "w", driver="GTiff", count=3, dtype="uint8", crs=profile["crs"], transform=transform,
        height=square.shape[1], width=square.shape[2], **options,
    ) as out:  # fmt: skip
        out.write(square)
        out.build_overviews([2, 4, 8, 16], Resampling.average)
    return path


@dataclass
class Side:
    """One of the two servers, and what its turns took."""

    url: str
    pid: int
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def fetch(self, addresses: list[str]) -> None:
        """One turn: all addresses, over as many connections as a browser opens."""
        with ThreadPoolExecutor(CONNECTIONS) as pool, httpx.Client(timeout=120) as client:
            worked, began = cpu_seconds(self.pid), time.perf_counter()
            for answer in pool.map(client.get, addresses):
                answer.raise_for_status()
            self.seconds.append(time.perf_counter() - began)
            self.cpu_seconds.append(cpu_seconds(self.pid) - worked)


@contextmanager
def plain_titiler() -> Iterator[Side]:
    """A titiler.core application as its documentation has it, one worker."""
    port, environment = free_port(), {**os.environ, **LIBRARY_ENVIRONMENT}
    with subprocess.Popen([sys.executable, "-c", PLAIN, str(port)], env=environment) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            while True:
                try:
                    httpx.get(f"{url}/openapi.json").raise_for_status()
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield Side(url, process.pid)
        finally:
            process.terminate()
            process.wait(30)


def inner_tiles(path: Path, zoom: int) -> list[Tile]:
    """The tiles of a zoom that lie wholly on a raster, row by row as a viewer pans."""
    with rasterio.open(path) as dataset:
        bounds = transform_bounds(dataset.crs, "EPSG:3857", *dataset.bounds)
    first = WEB_MERCATOR._tile(bounds[0], bounds[3], zoom)
    last = WEB_MERCATOR._tile(bounds[2], bounds[1], zoom)
    # the raster lies a little askew on the grid
    rows, cols = range(first.y + 2, last.y - 1), range(first.x + 2, last.x - 1)
    return [Tile(col, row, zoom) for row in rows for col in cols]


def compare(ours: Side, plain: Side, path: Path, format: str) -> None:
    """Let the two take turns at every inner tile of the native zoom, none asked for twice."""
    tiles = inner_tiles(path, NATIVE)
    for number in range(0, len(tiles) - TURN_TILES + 1, TURN_TILES):
        turn = tiles[number : number + TURN_TILES]
        # who comes first changes, so that a busier moment of the machine hits both alike
        for side in (ours, plain) if number // TURN_TILES % 2 else (plain, ours):
            query = f"?url={path}" if side is plain else ""
            grid = f"{side.url}/tiles/WebMercatorQuad"
            side.fetch([f"{grid}/{t.z}/{t.x}/{t.y}.{format}{query}" for t in turn])


def rate(side: Side) -> float:
    """Tiles a second in the median turn."""
    return TURN_TILES / statistics.median(side.seconds)


def cpu_ms(side: Side) -> float:
    """Milliseconds of processor a tile: what a busy machine cannot change."""
    return 1000 * sum(side.cpu_seconds) / (TURN_TILES * len(side.cpu_seconds))
