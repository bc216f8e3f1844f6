"""`overzoom prerender`: fills the cache with the server's own code, without a server.

    blocks of tiles (area) -> a pool's workers (making) -> counts

Processes that share a Redis divide the blocks by leases: a block that another one holds is left to
it, and looked at again at the end, where its process may have been killed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import CommandError
from tileserver.offline.area import Bbox, TileRange, downward, tiles_of_source
from tileserver.offline.making import Counts, TileBlock, TileMaker
from tileserver.offline.pools import LOCAL, Pool
from tileserver.tiles.encoding import ImageFormat

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Before blocks are looked at again that other processes hold."""


@dataclass(frozen=True, slots=True)
class Area:
    """Which tiles to make; by default all of a source, at all zooms."""

    grid: str
    bbox: Bbox | None = None
    zooms: tuple[int, ...] | None = None


def fill(
    catalogue: Catalogue,
    source_id: str,
    area: Area,
    format: str,
    *,
    concurrency: int,
    pool: Pool = LOCAL,
) -> Counts:
    """Make the tiles of an area that are not in the cache, with a progress bar.

    concurrency: tiles of a block, which are made together. pool: makes the blocks; all of it must
    see the source by the same path, and share a tier of the cache. Raises UnknownSource,
    UnsupportedGrid, CommandError if there is nothing to make, and what the pool raises.
    """
    if format not in set(ImageFormat):
        raise CommandError(f"{format}: the format must be one of {', '.join(ImageFormat)}")
    source = catalogue[source_id]
    ranges = tile_ranges(source, source.layer(area.grid), area)
    if not ranges:
        raise CommandError("no tiles in that area at those zooms")
    total = sum(map(len, ranges.values()))
    progress = tqdm(total=total, desc=source_id, unit="tile", disable=None)  # on terminals alone
    with (
        closing(TileMaker(catalogue, source_id, area.grid, ImageFormat(format))) as maker,
        logging_redirect_tqdm(),
        progress as bar,
    ):
        return _make_all(maker, ranges, concurrency, pool, bar.update)


def tile_ranges(source: Source, layer: Layer, area: Area) -> dict[int, TileRange]:
    """The tiles of an area by zoom, without empty zooms."""
    served = range(layer.least_zoom, layer.max_zoom + 1)
    if area.zooms is not None:  # explicit zooms may be shallower than least_zoom
        served = range(int(layer.grid.tms.minzoom), layer.max_zoom + 1)
    wanted = served if area.zooms is None else set(served).intersection(area.zooms)
    ranges = {zoom: tiles_of_source(layer, zoom, area.bbox) for zoom in sorted(wanted)}
    return {zoom: tiles for zoom, tiles in ranges.items() if tiles}


def _make_all(
    maker: TileMaker,
    ranges: dict[int, TileRange],
    concurrency: int,
    pool: Pool,
    advance: Callable[[int], object],
) -> Counts:
    counts, left = Counts(), None
    while left is None or left:
        held = set()
        with closing(pool.run(maker, _blocks(ranges, concurrency, left))) as results:
            for made in results:
                if made.held:
                    held.add(made.number)
                    continue
                for failure in made.failures:
                    logger.warning("%s", failure)
                counts.add(made.counts)
                advance(made.tiles)
        if held and left is not None and len(held) == len(left):
            time.sleep(PAUSE_SECONDS)
        left = held
    return counts


def _blocks(
    ranges: dict[int, TileRange], concurrency: int, left: set[int] | None
) -> Iterator[TileBlock]:
    """The tiles in blocks that are drawn as one window; left: numbers of those, default: all."""
    tiles = downward(ranges)
    for number, block in enumerate(iter(lambda: tuple(islice(tiles, concurrency)), ())):
        if left is None or number in left:
            yield TileBlock(number, block)
