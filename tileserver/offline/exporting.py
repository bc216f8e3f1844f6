"""`overzoom cache export`: the cached tiles of a source's current version, in one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from morecantile import Tile
from tqdm import tqdm

from cache import TileKey
from tileserver.catalogue.coverage import geographic_bounds
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import CommandError
from tileserver.grid import WEB_MERCATOR
from tileserver.offline.archives import (
    FORMATS,
    Content,
    Description,
    pmtiles_order,
    write_mbtiles,
    write_pmtiles,
)
from tileserver.offline.area import Bbox, tiles_of_bbox
from tileserver.rasters.ground import metres, times
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.key import tile_key
from tileserver.tiles.request import TileOptions, TileRequest
from tileserver.tiles.service import TileService

WRITERS = {".mbtiles": write_mbtiles, ".pmtiles": write_pmtiles}


@dataclass(frozen=True, slots=True)
class Export:
    """What to export."""

    source: str
    format: str
    bbox: Bbox | None = None
    zooms: tuple[int, ...] | None = None


def export(service: TileService, wanted: Export, out: Path) -> int:
    """Write the cached web mercator tiles, without any query parameters; returns their number.

    Raises CommandError if the cache has none of them, or for an unknown kind of file.
    """
    if out.suffix not in WRITERS:
        raise CommandError(f"{out}: its name must end in {' or '.join(WRITERS)}")
    formats = sorted(FORMATS.keys() & {str(format) for format in ImageFormat})
    if wanted.format not in formats:
        raise CommandError(f"{wanted.format}: archives can contain {', '.join(formats)}")
    source = service.catalogue[wanted.source]
    keys = sorted(_cached(service, source, wanted), key=lambda key: pmtiles_order(_tile(key)))
    if not keys:
        raise CommandError(
            f"the cache has none of these tiles of {source.id} in {wanted.format}: "
            "run overzoom prerender first"
        )
    described = _describe_archive(service, source, wanted, (keys[0].zoom, keys[-1].zoom))
    written = _Contents(service, keys)
    WRITERS[out.suffix](out, described, written)
    return written.count


class _Contents:
    """The tiles of keys, read one at a time; those evicted meanwhile are skipped."""

    def __init__(self, service: TileService, keys: list[TileKey]) -> None:
        self.service, self.keys = service, keys
        self.count = 0

    def __iter__(self) -> Iterator[Content]:
        for key in tqdm(self.keys, unit="tile", disable=None):  # on terminals alone
            found = self.service.store.get(key.path)
            if found is not None:
                self.count += 1
                yield _tile(key), found[0]


def _cached(service: TileService, source: Source, wanted: Export) -> Iterator[TileKey]:
    layer = source.layer(WEB_MERCATOR)
    served = range(layer.max_zoom + 1)
    for zoom in served if wanted.zooms is None else sorted(set(served).intersection(wanted.zooms)):
        inside = tiles_of_bbox(layer.grid, wanted.bbox, zoom) if wanted.bbox else None
        options = TileOptions(format=ImageFormat(wanted.format))
        any_tile = TileRequest(source=source, layer=layer, tile=Tile(0, 0, zoom), options=options)
        prefix = f"{tile_key(service.catalogue, any_tile).folder}/"
        for entry in service.store.entries(prefix):
            key = TileKey.parse(entry.key)
            if key is None or key.format != wanted.format:
                continue
            if inside is None or inside.holds(key.col, key.row):
                yield key


def _tile(key: TileKey) -> Tile:
    return Tile(key.col, key.row, key.zoom)


def _describe_archive(
    service: TileService, source: Source, wanted: Export, zooms: tuple[int, int]
) -> Description:
    layer = source.layer(WEB_MERCATOR)
    west, south, east, north = geographic_bounds(source)
    if wanted.bbox is not None:
        box = wanted.bbox
        west, south = max(west, box[0]), max(south, box[1])
        east, north = min(east, box[2]), min(north, box[3])
    return Description(
        source.id,
        _origin(service, layer, zooms),
        source.settings.attribution,
        wanted.format,
        _aligned(layer, (west, south, east, north), zooms[1]),
        zooms,
    )


def _aligned(layer: Layer, bounds: Bbox, zoom: int) -> Bbox:
    """Bounds extended to whole tiles: GDAL places the picture by them, even between pixels."""
    tiles, tms = tiles_of_bbox(layer.grid, bounds, zoom), layer.grid.tms
    first = tms.bounds(Tile(tiles.cols[0], tiles.rows[0], zoom))
    last = tms.bounds(Tile(tiles.cols[-1], tiles.rows[-1], zoom))
    return first.left, last.bottom, last.right, first.top


def _origin(service: TileService, layer: Layer, zooms: tuple[int, int]) -> str:
    """Which zooms show the imagery, and which are synthesised by which checkpoint."""
    catalogue, native = service.catalogue, layer.native_zoom
    if zooms[1] <= native:
        return "All zooms show the imagery itself."
    if layer.nearest is not None:
        return f"Zooms past {native} repeat the imagery's own pixels; nothing is synthesised."
    checkpoint = f"{catalogue.checkpoint.name} ({catalogue.checkpoint.fingerprint})"
    settings = catalogue.settings
    least, deepest = max(zooms[0], native + 1), zooms[1]
    ground = layer.ground
    sizes = f"imagery {metres(ground.imagery_metres)}, zoom {deepest} "
    sizes += f"{metres(ground.pixel_metres(deepest))}, x{times(ground.ratio(deepest))}"
    made = f"Zoom {deepest} is" if least == deepest else f"Zooms {least} to {deepest} are"
    return (
        f"{made} synthesised by Overzoom "
        f"{version('overzoom')}: checkpoint {checkpoint}, {settings.steps} steps, noise seed "
        f"{settings.noise_seed}; zooms up to {native} show the imagery itself ({sizes})."
    )
