"""The one path of a tile: key, cache, single flight, queue, engine, encoding."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from morecantile import Tile

from cache import ClusterFlight, SingleFlight, Tiered, TileKey
from cache.key import fingerprint
from engine.imagery import Pixels
from engine.window import Window
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.layers import Layer, Source
from tileserver.catalogue.stored_pixel import StoredPixel, read_stored_pixel
from tileserver.errors import (
    NoUncertainty,
    OutOfRange,
    OutsideSource,
    SourceChanged,
    SourceUnavailable,
)
from tileserver.metrics import Metrics
from tileserver.tiles.clock import Clock
from tileserver.tiles.deviation import deviation_rendering
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.pixels import (
    encoded,
    joined,
    pin_source,
    read_pixels,
)
from tileserver.tiles.readers import Readers
from tileserver.tiles.rendering import PLAIN, Mask, Rendering, check, check_shown_bands
from tileserver.tiles.request import Mode, TileRequest
from tileserver.tiles.scheduler import Scheduler
from tileserver.tiles.versions import version

MAX_READS = 512
"""Reads of one source that may wait; a read of the demo scene takes 10 ms."""

LOOKERS = 8
"""Threads that look whether what was read is still there, of all sources."""
ENCODERS = 2
"""Threads that encode; PNG and JPEG leave the interpreter's lock."""
STORE_CALLS = 8
"""Tiles that are looked for, or put, at a time; a tier hangs for two seconds at most."""

CHANGE_POLL_SECONDS = 0.1

Value = TypeVar("Value")


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
        # Apart, so that a tile that is drawn does not wait for the reads of those that are not.
        self._lookers = Readers(MAX_READS, settings.deadline_seconds, threads=LOOKERS)
        # Apart from each other: encoding computes, stores wait, each in bounds (cache.time_limit).
        self._encoders = ThreadPoolExecutor(ENCODERS, thread_name_prefix="encode")
        self._stores = ThreadPoolExecutor(STORE_CALLS, thread_name_prefix="store")

    def request(
        self,
        source_id: str,
        grid_id: str,
        tile: Tile,
        format: ImageFormat,
        mode: Mode = Mode.super_resolved,
        scale: int = 1,
        rendering: Rendering = PLAIN,
        noise_seed: int | None = None,
        detail: float | None = None,
    ) -> TileRequest:
        """A checked request; raises the RequestError that says what is wrong with it."""
        source = self.catalogue[source_id]
        layer = source.layer(grid_id)
        tms = layer.grid.tms
        rendering = self.check(source, layer, mode, rendering, format, noise_seed, detail)
        least = tms.minzoom
        if mode is Mode.uncertainty:
            least = layer.native_zoom + 1 - (scale - 1)
        deepest = layer.max_zoom - (scale - 1)
        if not least <= tile.z <= deepest:
            raise OutOfRange("z", f"{least} to {deepest} for this source and size of tiles")
        matrix = tms.matrix(tile.z)
        if not (0 <= tile.x < matrix.matrixWidth and 0 <= tile.y < matrix.matrixHeight):
            raise OutsideSource
        if not layer.touches(tile):
            raise OutsideSource
        return TileRequest(source, layer, tile, format, mode, scale, rendering, noise_seed, detail)

    def check(
        self,
        source: Source,
        layer: Layer,
        mode: Mode,
        rendering: Rendering,
        format: ImageFormat,
        noise_seed: int | None = None,
        detail: float | None = None,
    ) -> Rendering:
        """The rendering, completed; raises the RequestError that fits what cannot be shown."""
        try:
            layer.samples.sample(noise_seed, detail)
        except ValueError as error:
            samples = layer.samples
            if noise_seed not in (None, *samples.noise_seeds):
                seeds = ", ".join(map(str, samples.noise_seeds))
                raise OutOfRange("noise_seed", f"one of {seeds}") from error
            raise OutOfRange("detail", f"0 or {samples.detail:g}") from error
        if mode is Mode.interpolated and layer.nearest is not None:
            raise OutOfRange("mode", "none here: this source is shown by nearest neighbour alone")
        if mode is not Mode.uncertainty:
            check(rendering, source.raster)
            if not format.holds_values:
                check_shown_bands(rendering, source.raster)
            return rendering
        if not layer.uncertain:
            raise NoUncertainty
        return deviation_rendering(rendering, source.raster)

    def key(self, request: TileRequest) -> TileKey:
        """The tile's key: a function of the request alone, with nothing looked up."""
        made_of = version(self.catalogue, request.source, request.sample)
        rendering = fingerprint(
            origin=request.origin, scale=request.scale, rendering=request.rendering
        )
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
        """The same tile of the source's next version, as soon as there is one.

        Raises SourceUnavailable where its files cannot be read, Overloaded where nobody can look.
        """
        id = request.source.id
        if not request.source.raster.origin.remote:
            await self._lookers.run(id, self.catalogue.poll, id)
        while self.catalogue[id] is request.source:
            failure = self.catalogue.failure(id)
            if failure is not None:
                raise SourceUnavailable from failure
            await asyncio.sleep(CHANGE_POLL_SECONDS)
        return self.request(
            request.source.id,
            request.layer.grid.id,
            request.tile,
            request.format,
            request.mode,
            request.scale,
            request.rendering,
            request.noise_seed,
            request.detail,
        )

    async def values(self, request: TileRequest) -> tuple[Pixels, Mask]:
        """A tile's values (C, H, W), native or deeper, and where they are data (H, W).

        1 is the whole range of the source. Raises Overloaded and SourceUnavailable.
        """
        return await self._drawn(request, Clock())

    async def stored_pixel(self, source: Source, lon: float, lat: float) -> StoredPixel | None:
        """The file's own pixel at a place; raises Overloaded and SourceUnavailable."""
        return await self._readers.run(source.id, read_stored_pixel, source, lon, lat)

    async def check_unchanged(self, request: TileRequest) -> None:
        """Raises SourceChanged where what was read for a tile may be of two versions.

        Raises SourceUnavailable and Overloaded where nobody can look.
        """
        if not await self._lookers.run(request.source.id, request.unchanged):
            raise SourceChanged from OSError("its files have changed since they were read")

    def fast(self, path: str) -> Rendered | None:
        """The tile where it lies in memory: cheap enough for an event loop."""
        content = self.store.get_fast(path)
        return None if content is None else Rendered(content, self.store.tiers[0].name)

    @property
    def slow_reads(self) -> int:
        """Reads of sources that have been under way for long: they may hang."""
        return self._readers.slow + self._lookers.slow

    def close(self) -> None:
        self.scheduler.close()
        self._readers.close()
        self._lookers.close()
        self._encoders.shutdown()
        self._stores.shutdown()
        self.store.close()

    async def _found_or_made(self, request: TileRequest, path: str) -> Rendered:
        clock = Clock()

        async def found() -> Rendered | None:
            stored = await _run(self._stores, self.store.get, path)
            clock.lap("cache")
            return None if stored is None else Rendered(*stored, clock.milliseconds)

        async def made() -> Rendered:
            return await self._made(request, path, clock)

        rendered = await found()
        if rendered is None and self.cluster is not None:
            return await self.cluster.run(path, found, made)
        return rendered or await made()

    async def _made(self, request: TileRequest, path: str, clock: Clock) -> Rendered:
        values, valid = await self._drawn(request, clock)
        await self.check_unchanged(request)
        content, kept = await _run(
            self._encoders, self._finished, request, values, valid, path, clock
        )
        # Not dropped with a waiter that leaves: what was made is kept.
        await asyncio.shield(asyncio.wrap_future(kept))
        return Rendered(content, None, clock.milliseconds)

    async def _drawn(self, request: TileRequest, clock: Clock) -> tuple[Pixels, Mask]:
        """The tile as it is read, or its crop of its zoom's picture, native or deeper."""
        layer = request.layer
        if layer.nearest is not None or request.pixel_zoom < layer.native_zoom:
            pixels = await self._readers.run(request.source.id, read_pixels, request)
            clock.lap("read")
            return pixels
        return joined([await self._crop(request, window, clock) for window in request.windows])

    async def _crop(
        self, request: TileRequest, window: Window, clock: Clock
    ) -> tuple[Pixels, Mask]:
        read, id = self._readers.run, request.source.id
        valid, source = await read(id, pin_source, request, window)
        clock.lap("read")
        if not valid.any():
            bands = len(request.source.raster.indexes)
            return np.zeros((bands, *valid.shape), np.float32), valid
        if source is not None:
            drawn = await self.scheduler.draw(request.imagery, window, source)
            clock.lap("queue")
            clock.split("queue", "engine", drawn.drawn_seconds)
            return drawn.pixels, valid
        pixels = await read(id, request.imagery.read, window)
        clock.lap("interpolate")
        return pixels, valid

    def _finished(
        self, request: TileRequest, values: Pixels, valid: Mask, path: str, clock: Clock
    ) -> tuple[bytes, Future[None]]:
        """The encoded tile and its way into the stores, which begins whoever leaves meanwhile."""
        content = encoded(request, values, valid)
        clock.lap("encode")
        return content, self._stores.submit(self._keep, request.origin, path, content, clock)

    def _keep(self, origin: str, path: str, content: bytes, clock: Clock) -> None:
        """Keep and count a tile."""
        self.store.put(path, content)
        clock.lap("store")
        self.metrics.computed(origin, clock.milliseconds)


async def _run(pool: ThreadPoolExecutor, work: Callable[..., Value], *arguments: object) -> Value:
    return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)
