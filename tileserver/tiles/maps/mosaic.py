"""Decoded tiles put together, and the pixels of an area made from them."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.warp import Resampling, reproject

from engine.window import Window
from tileserver.tiles.levels import shows_classes
from tileserver.tiles.maps.area import Area
from tileserver.tiles.maps.request import MapRequest
from tileserver.tiles.rendering import Mask

OPAQUE = 255
Bands = NDArray[Any]


class Picture(NamedTuple):
    """Bands (C, H, W), and how opaque they are in levels of 255 (H, W)."""

    bands: Bands
    opacity: NDArray[np.uint8]


def compose(request: MapRequest, tiles: Iterable[tuple[Window, bytes]]) -> Picture:
    """The map's pixels from its tiles, at least one, each with the window that it fills.

    The tiles' own where the grids agree, else cubic convolution of them, antialiased; of classes
    the nearest.
    """
    values = request.options.format.holds_values
    decode = _decode_values if values else _decode_image
    found = [(window, decode(content)) for window, content in tiles]
    mosaic = _join(request.window, found)
    if request.fit.exact:
        return _crop(request, mosaic)
    resample = _resample_values if values else _resample_levels
    return resample(request, mosaic)


def _decode_image(content: bytes) -> Picture:
    """Levels of a PNG: one band or three."""
    image = Image.open(BytesIO(content))
    levels = np.asarray(image)
    if levels.ndim == 2:
        levels = levels[..., None]
    bands = levels.transpose(2, 0, 1)
    if image.mode in ("LA", "RGBA"):
        return Picture(bands[:-1], bands[-1])
    return Picture(bands, np.full(bands.shape[1:], OPAQUE, np.uint8))


def _decode_values(content: bytes) -> Picture:
    """Values of an NPY, whose last band is its mask."""
    array = np.load(BytesIO(content))
    return Picture(array[:-1], np.where(array[-1] != 0, OPAQUE, 0).astype(np.uint8))


def _join(window: Window, tiles: list[tuple[Window, Picture]]) -> Picture:
    """The pixels of a window of the tiles' zoom, transparent where no tile is."""
    first = tiles[0][1].bands
    bands = np.zeros((len(first), window.height, window.width), first.dtype)
    opacity = np.zeros((window.height, window.width), np.uint8)
    for place, picture in tiles:
        shared = window.intersection(place)
        if shared is not None:
            (rows, cols), (of_rows, of_cols) = window.slices(shared), place.slices(shared)
            bands[:, rows, cols] = picture.bands[:, of_rows, of_cols]
            opacity[rows, cols] = picture.opacity[of_rows, of_cols]
    return Picture(bands, opacity)


def _crop(request: MapRequest, mosaic: Picture) -> Picture:
    """The mosaic in the map, whose pixels are of the same grid."""
    area, window = request.area, request.window
    grid, (left, _, _, top) = request.layer.grid, area.bounds
    size, (x, y) = grid.pixel_size(request.fit.zoom), grid.origin(request.fit.zoom)
    whole = Window(round((y - top) / size), round((left - x) / size), area.height, area.width)
    return mosaic if whole == window else _join(whole, [(window, mosaic)])


def _resample_levels(request: MapRequest, mosaic: Picture) -> Picture:
    raster, rendering = request.source.raster, request.options.rendering
    source = np.concatenate((mosaic.bands, mosaic.opacity[None]))
    made = np.zeros((len(source), request.area.height, request.area.width), np.uint8)
    _warp(request, source, made, nearest=shows_classes(raster, rendering) or raster.nearest,
          src_alpha=len(source), dst_alpha=len(source))  # fmt: skip
    return Picture(np.where(made[-1], made[:-1], np.uint8(0)), made[-1])


def _resample_values(request: MapRequest, mosaic: Picture) -> Picture:
    dtype, area = mosaic.bands.dtype, request.area
    source = np.where(mosaic.opacity, mosaic.bands, np.nan).astype(np.float64)
    made = np.full((len(source), area.height, area.width), np.nan)
    _warp(request, source, made, nearest=request.source.raster.nearest,
          src_nodata=np.nan, dst_nodata=np.nan)  # fmt: skip
    valid: Mask = np.isfinite(made).all(axis=0)
    made = np.where(valid, made, 0.0)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        made = np.rint(made).clip(limits.min, limits.max)
    return Picture(made.astype(dtype), np.where(valid, OPAQUE, 0).astype(np.uint8))


def _warp(
    request: MapRequest, source: Bands, made: Bands, *, nearest: bool, **options: Any
) -> None:
    grid, area = request.layer.grid, request.area
    reproject(
        source,
        made,
        src_transform=grid.transform(request.fit.zoom, request.window),
        src_crs=grid.crs,
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
    share = picture.opacity.astype(np.float32) / OPAQUE
    shown = np.broadcast_to(picture.bands, (len(colour), *picture.opacity.shape))
    blended = np.rint(shown * share + colour[:, None, None] * (1 - share)).astype(np.uint8)
    return Picture(blended, np.full(picture.opacity.shape, OPAQUE, np.uint8))


def clear(area: Area, bands: int = 3, dtype: str = "uint8") -> Picture:
    """A map of nothing: transparent."""
    size = (area.height, area.width)
    return Picture(np.zeros((bands, *size), dtype), np.zeros(size, np.uint8))
