"""`overzoom cache export`: the cached tiles of a source's current version, in one file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from morecantile import Tile
from tqdm import tqdm

from cache import Tiered, TileKey
from tileserver.catalogue.catalogue import Catalogue
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
from tileserver.offline.listing import list_entries
from tileserver.rasters.ground import metres, times
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.key import tile_key
from tileserver.tiles.request import TileOptions, TileRequest
from tileserver.tiles.tile_store import convert, list_lossless_formats

WRITERS = {".mbtiles": write_mbtiles, ".pmtiles": write_pmtiles}


@dataclass(frozen=True, slots=True)
class Export:
    """What to export."""

    source: str
    format: str
    bbox: Bbox | None = None
    zooms: tuple[int, ...] | None = None


class Exported(NamedTuple):
    """The numbers of tiles of an export."""

    written: int
    skipped: int
    """Listed, but not to be read: evicted meanwhile, expired or corrupt."""


def export(catalogue: Catalogue, store: Tiered, wanted: Export, out: Path) -> Exported:
    """Write the cached web mercator tiles, without any query parameters.

    Tiles that are cached in another lossless format alone are encoded in the wanted one. Raises
    CommandError if the cache has none of them, if a tier does not answer, or for an unknown kind of
    file.
    """
    if out.suffix not in WRITERS:
        raise CommandError(f"{out}: its name must end in {' or '.join(WRITERS)}")
    formats = sorted(FORMATS.keys() & {str(format) for format in ImageFormat})
    if wanted.format not in formats:
        raise CommandError(f"{wanted.format}: archives can contain {', '.join(formats)}")
    source = catalogue[wanted.source]
    cached = _list_cached(catalogue, store, source, wanted)
    keys = sorted(cached, key=lambda key: pmtiles_order(_tile(key)))
    if not keys:
        raise CommandError(
            f"the cache has none of these tiles of {source.id} as "
            f"{' or '.join(sorted(_list_formats(source, wanted)))}: run overzoom prerender first"
        )
    described = _describe_archive(catalogue, source, wanted, (keys[0].zoom, keys[-1].zoom))
    written = _Contents(store, _any_tile(source, wanted.format), keys)
    WRITERS[out.suffix](out, described, written)
    return Exported(written.count, len(keys) - written.count)


class _Contents:
    """The tiles of keys, read one at a time; those that are gone by then are skipped.

    Raises CommandError if all are, or if a tier does not answer.
    """

    def __init__(self, store: Tiered, any_tile: TileRequest, keys: list[TileKey]) -> None:
        self.store, self.any_tile, self.keys = store, any_tile, keys
        self.count = 0

    def __iter__(self) -> Iterator[Content]:
        format = str(self.any_tile.options.format)
        for key in tqdm(self.keys, unit="tile", disable=None):  # on terminals alone
            found = self.store.peek(key.path)
            if found is None:
                self._check_answered()
                continue
            self.count += 1
            converted = key.format != format
            content = convert(self.any_tile, found.value) if converted else found.value
            yield _tile(key), content
        if not self.count:
            raise CommandError("none of the listed tiles can be read: evicted, expired or corrupt")

    def _check_answered(self) -> None:
        """Raises CommandError if a tier that may have the tile did not answer."""
        for tier in self.store.tiers:
            if any(breaker.is_open for breaker in tier.breakers):
                raise CommandError(
                    f"{tier.name}: does not answer; run the command again once it does"
                )


def _list_cached(
    catalogue: Catalogue, store: Tiered, source: Source, wanted: Export
) -> Iterable[TileKey]:
    """The key of each cached tile: in the wanted format, else in a lossless one."""
    layer, formats = source.layer(WEB_MERCATOR), _list_formats(source, wanted)
    served = range(layer.max_zoom + 1)
    keys: dict[Tile, TileKey] = {}
    for zoom in served if wanted.zooms is None else sorted(set(served).intersection(wanted.zooms)):
        inside = tiles_of_bbox(layer.grid, wanted.bbox, zoom) if wanted.bbox else None
        any_tile = _any_tile(source, wanted.format, zoom)
        prefix = f"{tile_key(catalogue, any_tile).folder}/"
        for entry in list_entries(store, prefix):
            key = TileKey.parse(entry.key)
            if key is None or key.format not in formats:
                continue
            if inside is None or inside.holds(key.col, key.row):
                tile = _tile(key)
                keys[tile] = key if key.format == wanted.format else keys.get(tile, key)
    return keys.values()


def _list_formats(source: Source, wanted: Export) -> set[str]:
    """The formats of cached tiles that the archive can be made of."""
    lossless = list_lossless_formats(_any_tile(source, wanted.format))
    return {wanted.format, *map(str, lossless)}


def _any_tile(source: Source, format: str, zoom: int = 0) -> TileRequest:
    """A tile of a zoom, of which the others differ by their place alone."""
    layer, options = source.layer(WEB_MERCATOR), TileOptions(format=ImageFormat(format))
    return TileRequest(source=source, layer=layer, tile=Tile(0, 0, zoom), options=options)


def _tile(key: TileKey) -> Tile:
    return Tile(key.col, key.row, key.zoom)


def _describe_archive(
    catalogue: Catalogue, source: Source, wanted: Export, zooms: tuple[int, int]
) -> Description:
    layer = source.layer(WEB_MERCATOR)
    west, south, east, north = geographic_bounds(source)
    if wanted.bbox is not None:
        box = wanted.bbox
        west, south = max(west, box[0]), max(south, box[1])
        east, north = min(east, box[2]), min(north, box[3])
    return Description(
        source.id,
        _origin(catalogue, layer, zooms),
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


def _origin(catalogue: Catalogue, layer: Layer, zooms: tuple[int, int]) -> str:
    """Which zooms show the imagery, and which are synthesised by which checkpoint."""
    native = layer.native_zoom
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
