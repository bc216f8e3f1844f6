"""What is asked for (AskedMap), and the map that it turns out to be (MapRequest)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from morecantile import Tile

from cache.key import fingerprint
from engine.window import Window
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import OutOfRange, OutsideMap
from tileserver.grid import TILE_PX
from tileserver.rasters.raster import Raster
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.maps.area import Area
from tileserver.tiles.maps.fitting import Fit, choose_layer, fit
from tileserver.tiles.request import Mode, TileOptions, TileRequest, check_options
from tileserver.tiles.tags import tile_tags
from tileserver.tiles.versions import version

COMPOSING = 4
"""Part of every ETag: raised when the same tiles come to be put together in another way."""
MAX_BYTES = 700_000_000
"""Of all maps that are made at a time: 4096 x 4096 pixels in colours take 270 to 670 MB."""
MAX_TILES = 4096
"""That a map is made from: 4096 x 4096 pixels are made from 1089 at most."""
LEVEL_BYTES, RESAMPLED_BYTES = 4, 8
"""Of a pixel: colours and opacity; of each of a pixel's values where they are resampled."""
TOO_MANY = "fewer pixels: this map is made from too many"
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedMap:
    """A map as it is asked for, not checked: there may be no such source, or nothing there."""

    source_id: str
    area: Area
    options: TileOptions
    """Its scale means nothing: a map has as many pixels as its area."""
    background: Colour | None = None
    """What is shown where there is no data, in levels; None: transparent, black in JPEG."""


class PlacedTile(NamedTuple):
    """A tile, and the window of the map's zoom that it fills."""

    window: Window
    request: TileRequest


@dataclass(frozen=True, kw_only=True)
class MapRequest:
    """A map that shows some ground of a source."""

    source: Source
    layer: Layer
    asked: AskedMap
    options: TileOptions
    fit: Fit

    @property
    def area(self) -> Area:
        return self.asked.area

    @property
    def window(self) -> Window:
        """The pixels of the zoom that the map is made from."""
        return self.fit.window

    @property
    def size_bytes(self) -> int:
        """The memory that the map takes while it is made: of the tiles' pixels and of its own."""
        if self.fit.exact:
            return _measure(self.options, self.source.raster, self.area)
        pixels = self.window.height * self.window.width
        return _measure(self.options, self.source.raster, self.area, pixels, RESAMPLED_BYTES)

    @property
    def tile_count(self) -> int:
        """Tiles that lie in the window, with data or without."""
        outer = self.window.aligned(TILE_PX)
        return (outer.height // TILE_PX) * (outer.width // TILE_PX)

    @cached_property
    def tiles(self) -> list[PlacedTile]:
        """The tiles that it is made from, row by row: lossless, or of values where it has them."""
        format = ImageFormat.npy if self.options.format.holds_values else ImageFormat.png
        return list(self._find_tiles(replace(self.options, format=format, scale=1)))

    def _find_tiles(self, options: TileOptions) -> Iterator[PlacedTile]:
        grid, zoom = self.layer.grid, self.fit.zoom
        matrix = grid.tms.matrix(zoom)
        for window in self.window.blocks(TILE_PX):
            x, y = window.col // TILE_PX, window.row // TILE_PX
            if grid.goes_round:
                x %= matrix.matrixWidth
            tile = Tile(x, y, zoom)
            inside = 0 <= x < matrix.matrixWidth and 0 <= y < matrix.matrixHeight
            if inside and self.layer.touches(tile):
                yield PlacedTile(
                    window,
                    TileRequest(source=self.source, layer=self.layer, tile=tile, options=options),
                )

    @property
    def any_tile(self) -> TileRequest:
        """One of its tiles: what that is the map is."""
        return self.tiles[0].request

    @property
    def tags(self) -> dict[str, str]:
        """What a GeoTIFF says of itself: whose imagery it shows, and what of it is synthesised."""
        return tile_tags(self.any_tile)

    def interpolate(self) -> MapRequest:
        """The same map without synthesised detail."""
        return replace(self, options=replace(self.options, mode=Mode.interpolated))

    def etag(self, catalogue: Catalogue) -> str:
        """A strong ETag, known without drawing."""
        area, tile = self.area, self.any_tile
        made_of = version(catalogue, self.source, tile.sample)
        digest = fingerprint(
            composing=COMPOSING,
            crs=area.system.code,
            bounds=area.bounds,
            size=(area.height, area.width),
            grid=self.layer.grid.id,
            zoom=self.fit.zoom,
            origin=tile.origin,
            rendering=self.options.rendering,
            format=self.options.format.media_type,
            background=self.asked.background,
            tags=self.tags if self.options.format is ImageFormat.tif else None,
        )
        return f'"map-{made_of}-{digest}"'


def resolve_map(catalogue: Catalogue, asked: AskedMap) -> MapRequest:
    """The map that is asked for; raises the RequestError that says why there is none.

    OutsideMap where it shows nothing of the source.
    """
    source = catalogue[asked.source_id]
    layer = choose_layer(source, catalogue.grids, asked.area)
    options = check_options(source, layer, asked.options)
    found = fit(layer, asked.area)
    request = MapRequest(source=source, layer=layer, asked=asked, options=options, fit=found)
    if request.size_bytes > MAX_BYTES or request.tile_count > MAX_TILES:
        raise OutOfRange("width", TOO_MANY)
    if not request.tiles:
        raise OutsideMap
    return request


def measure_empty(asked: AskedMap, raster: Raster) -> int:
    """The memory of a map that shows nothing of its source; raises OutOfRange if it is too much."""
    size_bytes = _measure(asked.options, raster, asked.area)
    if size_bytes > MAX_BYTES:
        raise OutOfRange("width", TOO_MANY)
    return size_bytes


def _measure(
    options: TileOptions, raster: Raster, area: Area, mosaic_pixels: int = 0, value_bytes: int = 0
) -> int:
    """Bytes of a map, and of so many pixels that it is resampled from.

    value_bytes: of each value; 0: as many as the raster's own have.
    """
    own_pixels, pixel_bytes = area.height * area.width, LEVEL_BYTES
    if options.format.holds_values:
        bands = len(options.rendering.indexes or raster.indexes)
        pixel_bytes = bands * (value_bytes or np.dtype(raster.dtype).itemsize)
    # While it is resampled two copies of either; then of its own four, in the order of encoders.
    return 2 * (max(mosaic_pixels, own_pixels) + own_pixels) * pixel_bytes
