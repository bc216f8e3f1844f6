"""The one path of a tile: key, cache, single flight, queue, engine, encoding."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

import numpy as np
from morecantile import Tile
from numpy.typing import NDArray

from cache import ClusterFlight, SingleFlight, Tiered, TileKey
from cache.key import fingerprint
from engine.imagery import Pixels
from engine.window import Window
from tileserver.catalogue import Catalogue, Layer, Source
from tileserver.encoding import ImageFormat, encode, encode_values
from tileserver.errors import OutOfRange, OutsideSource, SourceChanged, SourceUnavailable
from tileserver.grid import TILE_PX
from tileserver.metrics import Metrics
from tileserver.reader import CatalogueReader
from tileserver.readers import Readers
from tileserver.rendering import PLAIN, Rendering, check, shown, values_shown
from tileserver.scheduler import Scheduler
from tileserver.source import scaled
from tileserver.versions import version

MAX_READS = 512
"""Reads of one source that may wait; a read of the demo scene takes 10 ms."""

CHANGE_POLL_SECONDS = 0.1

Mask = NDArray[np.bool_]
Value = TypeVar("Value")


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
    mode: Mode = Mode.super_resolved
    scale: int = 1
    """1 for 256 px; 2 for 512 px, drawn from the next zoom's pixels (@2x)."""
    rendering: Rendering = PLAIN

    @property
    def pixel_zoom(self) -> int:
        """The zoom whose pixels the tile consists of."""
        return self.tile.z + self.scale - 1

    @property
    def window(self) -> Window:
        """The tile's pixels at pixel_zoom."""
        window = self.layer.grid.tile_window(self.tile)
        return window if self.scale == 1 else window.children(self.scale)

    @property
    def origin(self) -> str:
        """What the tile's pixels are: native, super-resolved or interpolated."""
        return "native" if self.pixel_zoom <= self.layer.native_zoom else str(self.mode)

    def interpolated(self) -> TileRequest:
        """The same tile without made detail."""
        return replace(self, mode=Mode.interpolated)


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
        self,
        catalogue: Catalogue,
        store: Tiered,
        scheduler: Scheduler,
        cluster: ClusterFlight | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """cluster: where other servers share a tier of the store."""
        self.catalogue, self.store, self.scheduler = catalogue, store, scheduler
        self.cluster, self.metrics = cluster, metrics or Metrics()
        settings = catalogue.settings
        self.flights: SingleFlight[Rendered] = SingleFlight()
        self._readers = Readers(MAX_READS, settings.deadline_seconds)
        # Cache and encoding apart, so that a slow read never holds up a tile that is there.
        self._quick = ThreadPoolExecutor(2, thread_name_prefix="store")

    def request(
        self,
        source_id: str,
        grid_id: str,
        tile: Tile,
        format: ImageFormat,
        mode: Mode = Mode.super_resolved,
        scale: int = 1,
        rendering: Rendering = PLAIN,
    ) -> TileRequest:
        """A checked request; raises the RequestError that says what is wrong with it."""
        source = self.catalogue[source_id]
        layer = source.layer(grid_id)
        tms = layer.grid.tms
        if not tms.minzoom <= tile.z <= layer.max_zoom - (scale - 1):
            raise OutOfRange
        matrix = tms.matrix(tile.z)
        if not (0 <= tile.x < matrix.matrixWidth and 0 <= tile.y < matrix.matrixHeight):
            raise OutsideSource
        if not layer.touches(tile):
            raise OutsideSource
        check(rendering, source.raster)
        return TileRequest(source, layer, tile, format, mode, scale, rendering)

    def key(self, request: TileRequest) -> TileKey:
        """The tile's key: a function of the request alone, with nothing looked up."""
        sampled = request.origin == Mode.super_resolved
        made_of = version(self.catalogue, request.source, sampled=sampled)
        rendering = fingerprint(request.origin, request.scale, request.rendering)
        tile = request.tile
        format = ImageFormat.jpg if request.format is ImageFormat.jpeg else request.format
        return TileKey(
            request.source.id,
            f"{made_of}-{rendering}",
            request.layer.grid.id,
            tile.z,
            tile.x,
            tile.y,
            str(format),
        )

    async def render(self, request: TileRequest, path: str) -> Rendered:
        """The tile of a key's path; raises Overloaded where too many wait."""
        content = self.fast(path)
        if content is not None:
            return content
        return await self.flights.run(path, lambda: self._found_or_made(request, path))

    async def current(self, request: TileRequest) -> TileRequest:
        """The same tile of the source's next version; raises SourceUnavailable where none comes."""
        deadline = time.monotonic() + self.catalogue.settings.deadline_seconds
        while self.catalogue[request.source.id] is request.source:
            if time.monotonic() > deadline:
                raise SourceUnavailable
            await asyncio.sleep(CHANGE_POLL_SECONDS)
        return self.request(
            request.source.id,
            request.layer.grid.id,
            request.tile,
            request.format,
            request.mode,
            request.scale,
            request.rendering,
        )

    def fast(self, path: str) -> Rendered | None:
        """The tile where it lies in memory: cheap enough for an event loop."""
        content = self.store.get_fast(path)
        return None if content is None else Rendered(content, self.store.tiers[0].name)

    def close(self) -> None:
        self.scheduler.close()
        self._readers.close()
        self._quick.shutdown()
        self.store.close()

    async def _found_or_made(self, request: TileRequest, path: str) -> Rendered:
        clock = _Clock()

        async def found() -> Rendered | None:
            stored = await self._run_quick(self.store.get, path)
            clock.lap("cache")
            return None if stored is None else Rendered(*stored, clock.milliseconds)

        async def made() -> Rendered:
            return await self._made(request, path, clock)

        rendered = await found()
        if rendered is None and self.cluster is not None:
            return await self.cluster.run(path, found, made)
        return rendered or await made()

    async def _made(self, request: TileRequest, path: str, clock: _Clock) -> Rendered:
        if request.pixel_zoom < request.layer.native_zoom:
            values, valid = await self._readers.run(request.source.id, _overview, request)
            clock.lap("read")
        else:
            values, valid = await self._drawn(request, clock)
        content = await self._run_quick(self._encoded, request, values, valid, path)
        clock.lap("encode")
        self.metrics.computed(request.origin, clock.milliseconds)
        return Rendered(content, None, clock.milliseconds)

    async def _drawn(self, request: TileRequest, clock: _Clock) -> tuple[Pixels, Mask]:
        """The tile's crop of its zoom's picture, native or deeper."""
        layer, window, zoom = request.layer, request.window, request.pixel_zoom
        read, id = self._readers.run, request.source.id
        sampled = request.origin == Mode.super_resolved
        valid = await read(id, _valid_and_fetched if sampled else valid_pixels, layer, zoom, window)
        clock.lap("read")
        if not valid.any():
            bands = len(request.source.raster.indexes)
            return np.zeros((bands, *valid.shape), np.float32), valid
        if sampled:
            drawn = await self.scheduler.draw(layer.pyramid.picture(zoom), window)
            clock.milliseconds["queue"] = drawn.waited_seconds * 1000
            clock.milliseconds["engine"] = drawn.drawn_seconds * 1000
            clock.lap(None)
            return drawn.pixels, valid
        pixels = await read(id, layer.pyramid.interpolated(zoom).read, window)
        clock.lap("interpolate")
        return pixels, valid

    async def _run_quick(self, work: Callable[..., Value], *arguments: object) -> Value:
        return await asyncio.get_running_loop().run_in_executor(self._quick, work, *arguments)

    def _encoded(self, request: TileRequest, values: Pixels, valid: Mask, path: str) -> bytes:
        content = encoded(request, values, valid)
        if not request.source.unchanged():
            raise SourceChanged
        self.store.put(path, content)
        return content


def encoded(request: TileRequest, values: Pixels, valid: Mask) -> bytes:
    """The bytes of a tile from its values (C, H, W) in [0, 1] and where they are data (H, W)."""
    raster, grid = request.source.raster, request.layer.grid
    if request.format.holds_values:
        bands, opaque = values_shown(values, valid, raster, request.rendering)
        place = grid.transform(request.pixel_zoom, request.window)
        return encode_values(bands, opaque, request.format, grid.crs, place)
    levels, opaque = shown(values, valid, raster, request.rendering)
    return encode(levels, opaque, request.format)


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


def _valid_and_fetched(layer: Layer, zoom: int, window: Window) -> Mask:
    """valid_pixels, and what drawing will read, so that the denoiser waits for no disk."""
    valid = valid_pixels(layer, zoom, window)
    if valid.any():
        layer.prefetch(zoom, window)
    return valid


def _overview(request: TileRequest) -> tuple[Pixels, Mask]:
    """A tile above the native zoom, as titiler renders it."""
    tile, raster = request.tile, request.source.raster
    with CatalogueReader.of(request.source, request.layer.grid) as reader:
        # Averages, as the native zoom's are, so that nothing pops on the way in.
        image = reader.tile(
            tile.x,
            tile.y,
            tile.z,
            tilesize=TILE_PX * request.scale,
            indexes=raster.indexes,
            resampling_method="average",
            reproject_method="average",
        )
    values = scaled(image.data, raster)
    valid: Mask = np.logical_and.reduce(np.isfinite(values), axis=0)
    valid &= image.mask > 0
    return np.where(valid, values, np.float32(0)), valid


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
