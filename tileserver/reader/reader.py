"""rio-tiler's reader with Overzoom's tiles, for any titiler app and for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from morecantile import Tile
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError
from rio_tiler.errors import RioTilerError, TileOutsideBounds
from rio_tiler.expression import parse_expression
from rio_tiler.io import Reader
from rio_tiler.models import ImageData
from titiler.core.errors import BadRequestError

from engine.imagery import Picture
from engine.pictures.super_resolution import Doubled
from engine.window import Window
from tileserver.catalogue.layers import Layer
from tileserver.errors import OutsideGrid, SourceUnavailable, StartupError, UnsupportedGrid
from tileserver.grid import TILE_PX
from tileserver.imagery.bands import to_raster_type
from tileserver.rasters.ground import rounded
from tileserver.reader.engine import Engine, share_engine
from tileserver.settings.server import Settings
from tileserver.tiles.pixels import find_valid_pixels, merge_pixels
from tileserver.tiles.request import NEAREST, Mode


class UnsupportedOption(BadRequestError, RioTilerError):
    """An option of rio-tiler's that a super-resolved tile has no meaning for; titiler's 400."""


class SuperResolvedReader(Reader):
    """A raster whose tiles go on past its native zoom; all but tiles is rio-tiler's own Reader.

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

    Tiles from the native zoom on have the server's pixels, in the raster's own values: bands by
    `indexes` or `expression`, `tilesize` 256 or 512 (the pixels of the next zoom). Options of
    resampling, nodata, scaling and buffers raise UnsupportedOption there. Tile matrix sets that do
    not double from zoom to zoom end at rio-tiler's native zoom.

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
        super().__attrs_post_init__()  # type: ignore[no-untyped-call]

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
        indexes: int | Sequence[int] | None = None,
        expression: str | None = None,
        buffer: float | None = None,
        **options: Any,
    ) -> ImageData:
        """A tile; `metadata["overzoom"]` says what its pixels are: native or super-resolved,
        or nearest: native ones repeated, of a raster with a colour table.

        Raises TileOutsideBounds, UnsupportedOption, and rio-tiler's errors.
        """
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
        with _translate_errors():
            windows = layer.windows(tile_z, layer.grid.tile_window(tile))
            parts = [_draw(self._engine, layer, zoom, window, size_px) for window in windows]
            pixels, valid = merge_pixels(parts)
        values = to_raster_type(pixels, self._source.raster)
        image = self._make_image(tile, values, valid, indexes, expression)
        image.metadata = {
            "overzoom": _origin(layer, zoom),
            "native_zoom": layer.native_zoom,
            "imagery_pixel_metres": rounded(layer.ground.imagery_metres),
            "pixel_metres": rounded(layer.ground.pixel_metres(zoom)),
        }
        return image

    def _layer(self) -> Layer | None:
        """The raster on the reader's grid; None where that does not double or reach it."""
        try:
            layer = self._source.layer(str(self.tms.id))
        except (OutsideGrid, UnsupportedGrid):
            return None
        return layer if layer.grid.tms == self.tms else None

    def _make_image(
        self,
        tile: Tile,
        values: NDArray[Any],
        valid: NDArray[np.bool_],
        indexes: int | Sequence[int] | None,
        expression: str | None,
    ) -> ImageData:
        known = self._source.raster.indexes
        wanted = parse_expression(expression) if expression else indexes
        if wanted is None:
            wanted = known
        wanted = (wanted,) if isinstance(wanted, int) else tuple(wanted)
        if not set(wanted) <= set(known):
            raise UnsupportedOption(f"bands are {known}, not {wanted}")
        bands = values[[known.index(index) for index in wanted]]
        image = ImageData(
            np.ma.MaskedArray(np.where(valid, bands, 0), np.broadcast_to(~valid, bands.shape)),
            assets=[self.input],
            crs=self.tms.rasterio_crs,
            bounds=self.tms.xy_bounds(tile),
            band_names=[f"b{index}" for index in wanted],
        )
        return image.apply_expression(expression) if expression else image


def _origin(layer: Layer, zoom: int) -> str:
    if zoom <= layer.native_zoom:
        return "native"
    return str(Mode.super_resolved) if layer.nearest is None else NEAREST


def _list_unsupported(size_px: int, buffer: float | None, options: dict[str, Any]) -> str:
    """What is asked for that only resampling knows."""
    given = [name for name, value in options.items() if value is not None and value is not False]
    if size_px not in (TILE_PX, 2 * TILE_PX):
        given.append(f"tilesize but {TILE_PX} and {2 * TILE_PX}")
    if buffer:
        given.append("buffer")
    return ", ".join(given)


def _draw(
    engine: Engine, layer: Layer, zoom: int, window: Window, size_px: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A window's values (C, H, W), and where there is data (H, W); past the last zoom a picture is
    doubled.

    In the engine's unit: the raster's range is [0, 1], and values outside it are kept. Of classes
    they are the class numbers.
    """
    if size_px > TILE_PX:
        window = window.children()
    if layer.nearest is not None or zoom < layer.native_zoom:
        return layer.read(zoom, window)
    valid = find_valid_pixels(layer, zoom, window)
    picture: Picture
    if zoom > layer.max_zoom:
        picture = Doubled(layer.pyramid.picture(layer.max_zoom))
    else:
        picture = layer.pyramid.picture(zoom)
    source = layer.pin(picture, window)  # first: nobody's drawing waits for a read
    with engine.drawing:
        (pixels,) = picture.read_many([window], source)
    return pixels, valid


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Turns the server's errors into what rio-tiler raises for the same."""
    try:
        yield
    except (SourceUnavailable, StartupError) as error:
        raise RasterioIOError(str(error)) from error
