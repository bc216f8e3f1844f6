"""The one path of a tile: key, cache, single flight, queue, engine, encoding."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from morecantile import Tile
from numpy.typing import NDArray

from cache import SingleFlight, Tiered, TileKey
from cache.key import fingerprint
from engine.window import Window
from tileserver.catalogue import Catalogue, Layer, Source
from tileserver.encoding import ENCODING, ImageFormat, encode, to_levels
from tileserver.errors import OutOfRange, OutsideSource, Overloaded
from tileserver.grid import TILE_PX
from tileserver.metrics import Metrics
from tileserver.reader import CatalogueReader
from tileserver.scheduler import Scheduler
from tileserver.source import scaled

Levels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class Mode(StrEnum):
    """How zooms past native are made."""

    super_resolved = "super-resolved"
    interpolated = "interpolated"


@dataclass(frozen=True, slots=True)
class TileRequest:
    """A tile that exists: its source, grid and zoom are known and it shows some ground."""

    source: Source
    layer: Layer
    tile: Tile
    format: ImageFormat
    mode: Mode

    @property
    def origin(self) -> str:
        """What the tile's pixels are: native, super-resolved or interpolated."""
        return "native" if self.tile.z <= self.layer.native_zoom else str(self.mode)


@dataclass(frozen=True, slots=True)
class Rendered:
    """An encoded tile and where its time went, in milliseconds by stage."""

    content: bytes
    tier: str | None
    """The cache tier that had it; None where it was made for this request."""
    milliseconds: dict[str, float] = field(default_factory=dict)


class Renderer:
    """Tiles of a catalogue, cached, each made once however many ask for it at a time."""

    def __init__(
        self, catalogue: Catalogue, store: Tiered, scheduler: Scheduler, metrics: Metrics
    ) -> None:
        self.catalogue, self.store, self.scheduler = catalogue, store, scheduler
        self.metrics = metrics
        self._flights: SingleFlight[Rendered] = SingleFlight()
        # Reading and encoding leave the interpreter's lock: two threads keep two cores busy.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="renderer")
        # Cache and encoding apart, so that a slow read never holds up a tile that is there.
        self._quick = ThreadPoolExecutor(2, thread_name_prefix="store")
        self._working = 0

    def request(
        self, source_id: str, grid_id: str, tile: Tile, format: ImageFormat, mode: Mode
    ) -> TileRequest:
        """A checked request; raises the RequestError that says what is wrong with it."""
        source = self.catalogue[source_id]
        layer = source.layer(grid_id)
        tms = layer.grid.tms
        if not tms.minzoom <= tile.z <= layer.max_zoom:
            raise OutOfRange
        matrix = tms.matrix(tile.z)
        if not (0 <= tile.x < matrix.matrixWidth and 0 <= tile.y < matrix.matrixHeight):
            raise OutsideSource
        if not layer.touches(tile):
            raise OutsideSource
        return TileRequest(source, layer, tile, format, mode)

    def key(self, request: TileRequest) -> TileKey:
        """The tile's key: a function of the request alone, with nothing looked up."""
        parts: list[object] = [ENCODING, request.source.fingerprint, request.origin]
        if request.origin == Mode.super_resolved:
            parts.append(self.catalogue.picture_fingerprint)
        tile = request.tile
        format = ImageFormat.jpg if request.format is ImageFormat.jpeg else request.format
        grid = request.layer.grid.id
        return TileKey(fingerprint(*parts), grid, tile.z, tile.x, tile.y, str(format))

    async def render(self, request: TileRequest, digest: str) -> Rendered:
        """The tile of a key's digest; raises Overloaded where too many wait."""
        content = self.store.get_fast(digest)
        if content is not None:
            self.metrics.found(self.store.tiers[0].name)
            return Rendered(content, self.store.tiers[0].name)
        try:
            rendered = await self._flights.run(digest, lambda: self._found_or_made(request, digest))
        except Overloaded:
            self.metrics.refused("queue")
            raise
        self.metrics.found(rendered.tier)
        return rendered

    def close(self) -> None:
        self.scheduler.close()
        self._threads.shutdown()
        self._quick.shutdown()

    async def _found_or_made(self, request: TileRequest, digest: str) -> Rendered:
        if self._working >= self.catalogue.settings.queue_tiles:
            raise Overloaded
        self._working += 1
        try:
            return await self._work(request, digest)
        finally:
            self._working -= 1

    async def _work(self, request: TileRequest, digest: str) -> Rendered:
        loop, clock = asyncio.get_running_loop(), _Clock()
        found = await loop.run_in_executor(self._quick, self.store.get, digest)
        clock.lap("cache")
        if found is not None:
            return Rendered(*found, clock.milliseconds)
        if request.tile.z < request.layer.native_zoom:
            levels, valid = await loop.run_in_executor(self._threads, _overview, request)
            clock.lap("read")
        else:
            levels, valid = await self._drawn(request, clock)
        content = await loop.run_in_executor(
            self._quick, self._encoded, levels, valid, request.format, digest
        )
        clock.lap("encode")
        self.metrics.computed(request.origin, clock.milliseconds)
        return Rendered(content, None, clock.milliseconds)

    async def _drawn(self, request: TileRequest, clock: _Clock) -> tuple[Levels, Mask]:
        """The tile's crop of its zoom's picture, native or deeper."""
        loop, layer = asyncio.get_running_loop(), request.layer
        window, zoom = layer.grid.tile_window(request.tile), request.tile.z
        valid = await loop.run_in_executor(self._threads, valid_pixels, layer, zoom, window)
        clock.lap("read")
        if not valid.any():
            bands = len(request.source.raster.indexes)
            return np.zeros((bands, TILE_PX, TILE_PX), np.uint8), valid
        if request.origin == Mode.super_resolved:
            drawn = await self.scheduler.draw(layer.pyramid.picture(zoom), window)
            clock.milliseconds["queue"] = drawn.waited_seconds * 1000
            clock.milliseconds["engine"] = drawn.drawn_seconds * 1000
            clock.lap(None)
            return to_levels(drawn.pixels), valid
        imagery = layer.pyramid.interpolated(zoom)
        pixels = await loop.run_in_executor(self._threads, imagery.read, window)
        clock.lap("interpolate")
        return to_levels(pixels), valid

    def _encoded(self, levels: Levels, valid: Mask, format: ImageFormat, digest: str) -> bytes:
        content = encode(levels, valid, format)
        self.store.put(digest, content)
        return content


def valid_pixels(layer: Layer, zoom: int, window: Window) -> Mask:
    """Where a window of the native zoom or a deeper one shows data, (H, W).

    A native pixel does where any of its four children does; deeper pixels inherit.
    """
    depth = zoom - layer.native_zoom - 1
    if depth < 0:
        children = layer.bands.valid(window.children())
        corners = children.reshape(window.height, 2, window.width, 2)
        valid: Mask = np.logical_or.reduce(corners, axis=(1, 3))
        return valid
    scale: int = 2**depth
    parents = window.parent(scale)
    children = layer.bands.valid(parents).repeat(scale, axis=0).repeat(scale, axis=1)
    rows, cols = parents.children(scale).slices(window)
    return children[rows, cols]


def _overview(request: TileRequest) -> tuple[Levels, Mask]:
    """A tile above the native zoom, as titiler renders it."""
    tile, raster = request.tile, request.source.raster
    with CatalogueReader.of(request.source, request.layer.grid) as reader:
        # Averages, as the native zoom's are, so that nothing pops on the way in.
        image = reader.tile(
            tile.x,
            tile.y,
            tile.z,
            tilesize=TILE_PX,
            indexes=raster.indexes,
            resampling_method="average",
            reproject_method="average",
        )
    values = scaled(image.data, raster)
    valid: Mask = np.logical_and.reduce(np.isfinite(values), axis=0)
    valid &= image.mask > 0
    return to_levels(np.where(valid, values, 0)), valid


class _Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str | None) -> None:
        """Charge the time since the last lap to a stage, or to none."""
        now = time.perf_counter()
        if stage is not None:
            self.milliseconds[stage] = (now - self._last) * 1000
        self._last = now
