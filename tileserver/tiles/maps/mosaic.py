"""Decoded tiles put together, and the pixels of an area made from them."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rasterio.warp import Resampling, reproject

from engine.window import Window
from tileserver.rasters.longitudes import unwrap_longitudes
from tileserver.tiles.encoding import OPAQUE, decode
from tileserver.tiles.levels import shows_classes
from tileserver.tiles.maps.area import Area
from tileserver.tiles.maps.request import MapRequest
from tileserver.tiles.rendering import Mask

Bands = NDArray[Any]


class Picture(NamedTuple):
    """Bands (C, H, W), and how opaque they are in levels of 255 (H, W)."""

    bands: Bands
    opacity: NDArray[np.uint8]


PlacedPictures = Iterable[tuple[Window, Picture]]
"""Decoded tiles, each with the window that it fills."""


def compose(request: MapRequest, tiles: Iterable[tuple[Window, bytes]]) -> Picture:
    """The map's pixels from its tiles, at least one, each with the window that it fills.

    The tiles' own where the grids agree, else cubic convolution of them, antialiased; of classes
    the nearest.
    """
    values = request.options.format.holds_values
    read = _decode_values if values else decode
    found = ((window, Picture(*read(content))) for window, content in tiles)  # one at a time
    if request.fit.exact:
        return _join(request, found)
    resample = _resample_values if values else _resample_levels
    return resample(request, found)


def _decode_values(content: bytes) -> Picture:
    """Values of an NPY, whose last band is its mask."""
    array = np.load(BytesIO(content))
    return Picture(array[:-1], _opacity_of(array[-1] != 0))


def _opacity_of(valid: Mask) -> NDArray[np.uint8]:
    return np.where(valid, OPAQUE, np.uint8(0))


def _join(request: MapRequest, tiles: PlacedPictures) -> Picture:
    """The tiles' pixels in the map, whose own are of the same grid; transparent elsewhere."""
    area, grid, zoom = request.area, request.layer.grid, request.fit.zoom
    size, (x, y), (left, _, _, top) = grid.pixel_size(zoom), grid.origin(zoom), area.bounds
    window = Window(round((y - top) / size), round((left - x) / size), area.height, area.width)
    first, tiles = _peek(tiles)
    joined = clear(area, len(first), first.dtype.name)
    for place, picture in tiles:
        _put(joined.bands, window, picture.bands, place)
        _put(joined.opacity, window, picture.opacity, place)
    return joined


def _peek(tiles: PlacedPictures) -> tuple[Bands, PlacedPictures]:
    """The bands of the first tile, and all tiles."""
    tiles = iter(tiles)
    first = next(tiles)
    return first[1].bands, chain((first,), tiles)


def _put(target: Bands, window: Window, source: Bands, place: Window) -> None:
    """Copy what two windows share."""
    shared = window.intersection(place)
    if shared is not None:
        target[..., *window.slices(shared)] = source[..., *place.slices(shared)]


def _resample_levels(request: MapRequest, tiles: PlacedPictures) -> Picture:
    raster, rendering, window = request.source.raster, request.options.rendering, request.window
    first, tiles = _peek(tiles)
    count = len(first) + 1
    source = np.zeros((count, window.height, window.width), np.uint8)
    for place, picture in tiles:
        _put(source[:-1], window, picture.bands, place)
        _put(source[-1], window, picture.opacity, place)
    made = np.zeros((count, request.area.height, request.area.width), np.uint8)
    _warp(request, source, made, nearest=shows_classes(raster, rendering) or raster.nearest,
          src_alpha=count, dst_alpha=count)  # fmt: skip
    made[:-1, made[-1] == 0] = 0
    return Picture(made[:-1], made[-1])


def _resample_values(request: MapRequest, tiles: PlacedPictures) -> Picture:
    area, window = request.area, request.window
    first, tiles = _peek(tiles)
    source = np.full((len(first), window.height, window.width), np.nan)
    for place, picture in tiles:
        _put(source, window, np.where(picture.opacity, picture.bands, np.nan), place)
    made = np.full((len(first), area.height, area.width), np.nan)
    _warp(request, source, made, nearest=request.source.raster.nearest,
          src_nodata=np.nan, dst_nodata=np.nan)  # fmt: skip
    valid: Mask = np.isfinite(made).all(axis=0)
    made[:, ~valid] = 0.0
    if np.issubdtype(first.dtype, np.integer):
        limits = np.iinfo(first.dtype)
        np.rint(made, out=made).clip(limits.min, limits.max, out=made)
    return Picture(made.astype(first.dtype), _opacity_of(valid))


def _warp(
    request: MapRequest, source: Bands, made: Bands, *, nearest: bool, **options: Any
) -> None:
    grid, area = request.layer.grid, request.area
    crs, place = grid.crs, grid.transform(request.fit.zoom, request.window)
    if grid.goes_round and crs != area.system.crs:
        crs, place = unwrap_longitudes(crs, place, *source.shape[1:]) or (crs, place)
    reproject(
        source,
        made,
        src_transform=place,
        src_crs=crs,
        dst_transform=area.transform,
        dst_crs=area.system.crs,
        resampling=Resampling.nearest if nearest else Resampling.cubic,
        tolerance=0,  # exact: maps side by side meet
        **options,
    )


def flatten(picture: Picture, background: tuple[int, ...]) -> Picture:
    """Levels over a background of one colour (red, green, blue)."""
    colour = np.asarray(background, np.float32)
    if len(picture.bands) == 1 and len(set(background)) == 1:
        colour = colour[:1]
    opacity = picture.opacity
    shown = np.broadcast_to(picture.bands, (len(colour), *opacity.shape))
    blended = np.where(opacity, shown, colour.astype(np.uint8)[:, None, None])
    partly = (opacity > 0) & (opacity < OPAQUE)  # few: floats of all pixels would take much memory
    share = opacity[partly].astype(np.float32) / OPAQUE
    blended[:, partly] = np.rint(shown[:, partly] * share + colour[:, None] * (1 - share))
    return Picture(blended, np.full(opacity.shape, OPAQUE))


def clear(area: Area, bands: int = 3, dtype: str = "uint8") -> Picture:
    """A map of nothing: transparent."""
    size = (area.height, area.width)
    return Picture(np.zeros((bands, *size), dtype), np.zeros(size, np.uint8))
