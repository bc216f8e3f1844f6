"""`overzoom prerender`: fills the cache with the server's own code, without a server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from morecantile import Tile
from rasterio.errors import RasterioError
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from cache import Tiered
from engine.errors import EngineError
from tileserver.assembly import open_tile_service
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import CommandError, OutsideSource, OverzoomError, RequestError
from tileserver.offline.area import Bbox, TileRange, downward, tiles_of_source
from tileserver.stores import open_store
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.key import tile_key
from tileserver.tiles.request import AskedTile, TileOptions, TileRequest, resolve_request
from tileserver.tiles.service import TileService

logger = logging.getLogger(__name__)

TRIES = 8
"""Attempts for a tile whose error asks to retry: the source or the queue may need a while."""
FAULTS = (OverzoomError, EngineError, RasterioError, OSError)
"""Errors that may affect one tile and not the next."""


@dataclass(frozen=True, slots=True)
class Area:
    """Which tiles to make; by default all of a source, at all zooms."""

    grid: str
    bbox: Bbox | None = None
    zooms: tuple[int, ...] | None = None


@dataclass(slots=True)
class Counts:
    """The numbers of tiles by outcome."""

    made: int = 0
    cached: int = 0
    """Tiles that were in the cache already."""
    failed: int = 0
    dropped: int = 0
    """Tiles of any source that the disk cache evicted meanwhile."""


def fill(
    catalogue: Catalogue, source_id: str, area: Area, format: str, *, concurrency: int
) -> Counts:
    """Make the tiles of an area that are not in the cache, with a progress bar.

    Raises UnknownSource, UnsupportedGrid, and CommandError if there is nothing to make.
    """
    if format not in set(ImageFormat):
        raise CommandError(f"{format}: the format must be one of {', '.join(ImageFormat)}")
    # Without memory, which would be lost at the end; puts return after the slowest tier.
    lasting = catalogue.settings.cache.model_copy(update={"memory_bytes": 0})
    store = open_store(lasting, behind=False)
    if len(store.tiers) < 2:
        raise CommandError("the cache has no disk, Redis or object store tier to fill")
    source = catalogue[source_id]
    ranges = tile_ranges(source, source.layer(area.grid), area)
    if not ranges:
        raise CommandError("no tiles in that area at those zooms")
    service = open_tile_service(catalogue, store)
    total = sum(map(len, ranges.values()))
    progress = tqdm(total=total, desc=source_id, unit="tile", disable=None)  # on terminals alone
    with logging_redirect_tqdm(), progress as bar:
        filling = _Filling(service, ImageFormat(format), bar.update)
        try:
            asyncio.run(filling.run(source_id, area.grid, downward(ranges), concurrency))
        finally:
            service.close()
    filling.counts.dropped = _dropped(store)
    return filling.counts


def tile_ranges(source: Source, layer: Layer, area: Area) -> dict[int, TileRange]:
    """The tiles of an area by zoom, without empty zooms."""
    served = range(layer.least_zoom, layer.max_zoom + 1)
    if area.zooms is not None:  # explicit zooms may be shallower than least_zoom
        served = range(int(layer.grid.tms.minzoom), layer.max_zoom + 1)
    wanted = served if area.zooms is None else set(served).intersection(area.zooms)
    ranges = {zoom: tiles_of_source(layer, zoom, area.bbox) for zoom in sorted(wanted)}
    return {zoom: tiles for zoom, tiles in ranges.items() if tiles}


class _Filling:
    """One run: makes tiles in groups of bounded size."""

    def __init__(
        self, service: TileService, format: ImageFormat, advance: Callable[[int], object]
    ) -> None:
        self.service, self.format, self.advance = service, format, advance
        self.counts = Counts()

    async def run(
        self, source_id: str, grid_id: str, tiles: Iterator[Tile], concurrency: int
    ) -> None:
        while group := list(islice(tiles, concurrency)):
            # In groups: a whole block is queued at once, and drawn as one window.
            await asyncio.gather(*(self._tile(source_id, grid_id, tile) for tile in group))

    async def _tile(self, source_id: str, grid_id: str, tile: Tile) -> None:
        options = TileOptions(format=self.format)
        matrix = self.service.catalogue.grids[grid_id].tms.matrix(tile.z)
        tile = tile._replace(x=tile.x % int(matrix.matrixWidth))
        try:
            asked = AskedTile(source_id=source_id, grid_id=grid_id, tile=tile, options=options)
            await self._make(resolve_request(self.service.catalogue, asked))
        except OutsideSource:
            pass  # an edge tile that the source does not reach
        except FAULTS as error:
            self.counts.failed += 1
            logger.warning("%s/%d/%d/%d: %s", source_id, tile.z, tile.x, tile.y, error)
        self.advance(1)

    async def _make(self, request: TileRequest) -> None:
        store, key = self.service.store, tile_key(self.service.catalogue, request)
        if await asyncio.to_thread(store.has, key.path):
            self.counts.cached += 1
            return
        for tries_left in reversed(range(TRIES)):
            try:
                await self.service.render(request, key)
                break
            except RequestError as error:
                if error.retry_after_seconds is None or not tries_left:
                    raise
                await asyncio.sleep(error.retry_after_seconds)
        if not await asyncio.to_thread(store.has, key.path):
            raise CommandError("made, but no cache tier stored it")
        self.counts.made += 1


def _dropped(store: Tiered) -> int:
    return sum(int(getattr(tier, "evicted", 0)) for tier in store.tiers)
