"""rio-tiler's reader with Overzoom's picture, for any titiler app and for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from morecantile import Tile
from rasterio.crs import CRS
from rasterio.errors import RasterioIOError
from rasterio.warp import transform_bounds
from rio_tiler.constants import WGS84_CRS
from rio_tiler.errors import TileOutsideBounds
from rio_tiler.io import Reader
from rio_tiler.models import ImageData, PointData

from tileserver.catalogue.layers import Layer
from tileserver.errors import OutsideGrid, SourceUnavailable, StartupError, UnsupportedGrid
from tileserver.grid import TILE_PX
from tileserver.reader.engine import share_engine
from tileserver.reader.options import Asked, Indexes, UnsupportedOption
from tileserver.reader.picture import Bounds, RasterPicture
from tileserver.reader.resampling import Box, read_part, read_point, read_whole
from tileserver.settings.server import Settings


class SuperResolvedReader(Reader):
    """A raster that can be read finer than it is: what is finer is super-resolved.

    That are tiles past the native zoom, parts, features and previews of more pixels than the file
    has there, and points; any other read is rio-tiler's own.

    In a titiler app:

    >>> from fastapi import FastAPI
    >>> from titiler.core.errors import DEFAULT_STATUS_CODES, add_exception_handlers
    >>> from titiler.core.factory import TilerFactory
    >>> from tileserver import SuperResolvedReader
    >>> app = FastAPI()
    >>> add_exception_handlers(app, DEFAULT_STATUS_CODES)
    >>> app.include_router(TilerFactory(reader=SuperResolvedReader).router)

    In a script:

    >>> with SuperResolvedReader("scene.tif") as reader:
    ...     west, south, east, north = reader.get_geographic_bounds("EPSG:4326")
    ...     middle = reader.tms.tile((west + east) / 2, (south + north) / 2, reader.maxzoom)
    ...     tile = reader.tile(*middle)
    >>> tile.data.shape, tile.metadata["overzoom"]
    ((3, 256, 256), 'super-resolved')

    >>> with SuperResolvedReader("scene.tif") as reader:
    ...     west, south, east, north = reader.get_geographic_bounds("EPSG:4326")
    ...     lon, lat = (west + east) / 2, (south + north) / 2
    ...     part = reader.part((lon, lat, lon + 3e-4, lat + 2e-4), width=600, height=400)
    ...     point = reader.point(lon, lat)
    >>> part.metadata["overzoom"], point.metadata["overzoom"]
    ('super-resolved', 'super-resolved')

    Tiles from the native zoom on have the server's pixels, in the raster's own values: bands by
    `indexes` or `expression`, `tilesize` 256 or 512 (the pixels of the next zoom). Options of
    resampling, nodata, scaling and buffers raise UnsupportedOption there.

    A part, feature or preview is finer than the file where `width` or `height` make it so. It is
    resampled from the first zoom of the reader's grid that is as fine, else from the deepest: on
    that zoom's own pixels it has the tiles' values. `resampling_method` and `reproject_method` are
    bilinear if not given. A point is a pixel of `zoom`, native or deeper, by default the deepest.
    `nodata`, `unscale` and `vrt_options` raise UnsupportedOption.

    The metadata of what is drawn say what it is: `overzoom` is native, super-resolved, or nearest
    (native pixels repeated, of classes). Never drawn are what the grid does not reach, parts,
    previews and points of classes, previews of a raster that crosses 180 degrees, and anything on
    tile matrix sets that do not double from zoom to zoom.

    Readers of a process share one checkpoint and its device; a subclass with `settings` of its own
    has another. Raises RasterioIOError where the raster cannot be read. Opens whatever the caller
    names, like rio-tiler's: the server, whose sources are configured, is the one for strangers.
    """

    settings: ClassVar[Settings] = Settings()

    def __attrs_post_init__(self) -> None:
        if self.dataset is not None or not isinstance(self.input, str):
            raise ValueError("SuperResolvedReader opens a raster by its path or address")
        with _translate_errors():
            self._engine = share_engine(type(self), self.settings)
            self._source = self._engine.source(self.input)
            self.dataset = self._ctx_stack.enter_context(self._source.handles.acquire_stored())
        super().__attrs_post_init__()  # type: ignore[no-untyped-call]  # the library's has no types

    @property
    def maxzoom(self) -> int:
        """The deepest zoom with tiles, past native."""
        layer = self._layer()
        return int(self._maxzoom) if layer is None else layer.max_zoom

    def tile(
        self,
        tile_x: int,
        tile_y: int,
        tile_z: int,
        tilesize: int | None = None,
        indexes: Indexes = None,
        expression: str | None = None,
        buffer: float | None = None,
        **options: Any,
    ) -> ImageData:
        """A tile; raises TileOutsideBounds, UnsupportedOption, and rio-tiler's errors."""
        tile, size_px = Tile(tile_x, tile_y, tile_z), tilesize or TILE_PX
        layer = self._layer()
        zoom = tile_z + (size_px > TILE_PX)
        given = _list_unsupported(size_px, buffer, {**self.options, **options})
        if layer is None or (zoom < layer.native_zoom and (given or not layer.is_quick(zoom))):
            method = "nearest" if self._source.raster.nearest else "average"
            for option in ("resampling_method", "reproject_method"):
                options.setdefault(option, method)  # as the native zoom's are
            return super().tile(
                *tile, size_px, indexes, expression, buffer, **{**self.options, **options}
            )
        if given:
            raise UnsupportedOption(f"super-resolved tiles take no {given}")
        if tile_z > layer.max_zoom or not layer.touches(tile):
            raise TileOutsideBounds(f"{tile} is outside the raster or its zooms")
        picture, asked = self._picture(layer), self._ask(indexes, expression, {})
        window = layer.grid.tile_window(tile)
        window = window.children() if size_px > TILE_PX else window
        with _translate_errors():
            values, valid = picture.draw(zoom, window)
        bands = values[[position - 1 for position in asked.positions]]
        image = ImageData(
            np.ma.MaskedArray(bands, np.broadcast_to(~valid, bands.shape)),
            crs=self.tms.rasterio_crs,
            bounds=self.tms.xy_bounds(tile),
        )
        return asked.label(image, self.input, picture.describe(zoom))

    def part(
        self,
        bbox: Bounds,
        dst_crs: CRS | None = None,
        bounds_crs: CRS = WGS84_CRS,
        indexes: Indexes = None,
        expression: str | None = None,
        max_size: int | None = None,
        height: int | None = None,
        width: int | None = None,
        buffer: float | None = None,
        **options: Any,
    ) -> ImageData:
        """What lies in a box; raises UnsupportedOption and rio-tiler's errors.

        `feature` reads the box around its shape here.
        """
        layer, crs = self._layer(), dst_crs or bounds_crs
        if layer is not None and (height or width):
            bounds = bbox if crs == bounds_crs else transform_bounds(bounds_crs, crs, *bbox)
            picture, asked = self._picture(layer), self._ask(indexes, expression, options)
            with _translate_errors():
                found = read_part(picture, Box(bounds, crs, height, width, buffer or 0.0), asked)
            if found is not None:
                image, zoom = found
                return asked.label(image, self.input, picture.describe(zoom))
        options.update(max_size=max_size, height=height, width=width, buffer=buffer)
        return super().part(bbox, dst_crs, bounds_crs, indexes, expression, **options)

    def preview(
        self,
        indexes: Indexes = None,
        expression: str | None = None,
        max_size: int | None = 1024,
        height: int | None = None,
        width: int | None = None,
        dst_crs: CRS | None = None,
        **options: Any,
    ) -> ImageData:
        """All of the raster; raises UnsupportedOption and rio-tiler's errors."""
        layer = self._layer()
        if layer is not None and self.crs and (height or width):
            picture, asked = self._picture(layer), self._ask(indexes, expression, options)
            with _translate_errors():
                found = read_whole(picture, self.dataset, dst_crs, height, width, asked)
            if found is not None:
                image, zoom = found
                return asked.label(image, self.input, picture.describe(zoom))
        options.update(max_size=max_size, height=height, width=width, dst_crs=dst_crs)
        return super().preview(indexes, expression, **options)

    def point(
        self,
        lon: float,
        lat: float,
        coord_crs: CRS = WGS84_CRS,
        indexes: Indexes = None,
        expression: str | None = None,
        zoom: int | None = None,
        **options: Any,
    ) -> PointData:
        """The pixel of a zoom at a place; raises UnsupportedOption and rio-tiler's errors."""
        layer = self._layer()
        if layer is None or layer.nearest is not None:
            return super().point(lon, lat, coord_crs, indexes, expression, **options)
        zoom = layer.max_zoom if zoom is None else zoom
        if not layer.native_zoom <= zoom <= layer.max_zoom:
            raise UnsupportedOption(f"zoom must be {layer.native_zoom} to {layer.max_zoom}")
        picture, asked = self._picture(layer), self._ask(indexes, expression, options)
        with _translate_errors():
            point = read_point(picture, (lon, lat), coord_crs, zoom, asked)
        if point is None:
            return super().point(lon, lat, coord_crs, indexes, expression, **options)
        return asked.label(point, self.input, picture.describe(zoom))

    def _picture(self, layer: Layer) -> RasterPicture:
        return RasterPicture(self._engine, self._source, layer)

    def _ask(self, indexes: Indexes, expression: str | None, options: dict[str, Any]) -> Asked:
        known = self._source.raster.indexes
        return Asked(known, indexes, expression, {**self.options, **options})

    def _layer(self) -> Layer | None:
        """The raster on the reader's grid; None where that does not double or reach it."""
        try:
            layer = self._source.layer(str(self.tms.id))
        except (OutsideGrid, UnsupportedGrid):
            return None
        return layer if layer.grid.tms == self.tms else None


def _list_unsupported(size_px: int, buffer: float | None, options: dict[str, Any]) -> str:
    """What is asked for that only resampling knows."""
    given = [name for name, value in options.items() if value is not None and value is not False]
    if size_px not in (TILE_PX, 2 * TILE_PX):
        given.append(f"tilesize but {TILE_PX} and {2 * TILE_PX}")
    if buffer:
        given.append("buffer")
    return ", ".join(given)


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Turns the server's errors into what rio-tiler raises for the same."""
    try:
        yield
    except (SourceUnavailable, StartupError) as error:
        raise RasterioIOError(str(error)) from error
