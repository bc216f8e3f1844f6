"""GET /{source}/inspect/{lon},{lat}?zoom=: what is measured at a place, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import floor, isfinite
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Path, Query
from morecantile import Tile
from rio_tiler.errors import PointOutsideBounds
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engine.window import Window
from tileserver.api.tile_parameters import Detail, NoiseSeed
from tileserver.api.tile_response import Answers
from tileserver.catalogue.layers import Layer, Source
from tileserver.catalogue.stored_pixel import StoredPixel
from tileserver.errors import OutOfRange, OutsideSource
from tileserver.grid import TILE_PX, WEB_MERCATOR
from tileserver.imagery.units import to_raster_unit
from tileserver.middleware.disconnect import run_until_disconnect
from tileserver.rasters.ground import round_size
from tileserver.tiles.deviation import to_source_unit
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.request import AskedTile, Mode, TileOptions, TileRequest, resolve_request
from tileserver.tiles.service import TileService

DIGITS = 7
"""All that a float32 holds."""

Longitude = Annotated[float, Path(ge=-180, le=180, allow_inf_nan=False, description="Degrees.")]
Latitude = Annotated[float, Path(ge=-90, le=90, allow_inf_nan=False, description="Degrees.")]
ZoomParam = Annotated[
    int | None, Query(ge=0, le=30, description="Zoom, native or deeper; default: the deepest.")
]


def add_inspect(router: APIRouter, answers: Answers, path_dependency: Callable[..., Any]) -> None:
    """Register the route."""
    service = answers.service

    @router.get("/inspect/{lon},{lat}")
    async def inspect(
        *,
        request: Request,
        lon: Longitude,
        lat: Latitude,
        zoom: ZoomParam = None,
        noise_seed: NoiseSeed = None,
        detail: Detail = None,
        source: Source = Depends(path_dependency),
    ) -> Response:
        """The file's pixel at a place, and the grid's: native, synthesised, and how sure."""
        layer = source.layer(WEB_MERCATOR)
        zoom = layer.max_zoom if zoom is None else zoom
        if not layer.native_zoom <= zoom <= layer.max_zoom:
            raise OutOfRange("zoom", f"{layer.native_zoom} to {layer.max_zoom} for this source")
        options = TileOptions(format=ImageFormat.npy, noise_seed=noise_seed, detail=detail)
        try:
            place = _find_pixel(layer, zoom, lon, lat)
            asked = AskedTile(source_id=source.id, tile=place.tile(zoom), options=options)
            work = _inspect(service, resolve_request(service.catalogue, asked), place)
            values = await run_until_disconnect(request, work, answers.deadline_seconds)
        except OutsideSource as error:  # whose text is about a tile, which nobody has asked for
            raise PointOutsideBounds from error
        document = {"source": source.id, "coordinates": [lon, lat], "zoom": zoom, **values}
        return JSONResponse(document, headers={"Cache-Control": "no-store"})


class _Place(NamedTuple):
    """A place in degrees, and the pixel of a zoom that holds it."""

    lon: float
    lat: float
    row: int
    col: int

    def tile(self, zoom: int) -> Tile:
        return Tile(self.col // TILE_PX, self.row // TILE_PX, zoom)


def _find_pixel(layer: Layer, zoom: int, lon: float, lat: float) -> _Place:
    """A place with its pixel; raises OutsideSource beyond the grid."""
    tms, grid = layer.grid.tms, layer.grid
    if not (tms.bbox.bottom <= lat <= tms.bbox.top):
        raise OutsideSource
    place, (left, top), size = tms.xy(lon, lat), grid.origin(zoom), grid.pixel_size(zoom)
    col = floor((place.x - left) / size)
    if grid.goes_round:
        col %= grid.whole(zoom).width
    return _Place(lon, lat, floor((top - place.y) / size), col)


async def _inspect(service: TileService, wanted: TileRequest, place: _Place) -> dict[str, Any]:
    """The values of a place and of the tile's pixel there, in the source's own unit, by band.

    imagery is the pixel of the file that holds the place, as stored: None where the file is put
    onto the ground by control points or RPCs. native is the mean that pixels of deeper zooms
    average to; scale says how many pixels of the zoom lie along one of the file's.
    Whole tiles are drawn: their blocks are remembered, and the next click nearby finds them.
    """
    stored = await service.read_stored_pixel(wanted.source, place.lon, place.lat)
    about = _describe(wanted, stored)
    if wanted.layer.nearest is not None:
        return {**about, **await _inspect_class(service, wanted, place)}
    return {**about, **await _inspect_values(service, wanted, place)}


async def _inspect_class(
    service: TileService, wanted: TileRequest, place: _Place
) -> dict[str, Any]:
    """The number of a class, which is the imagery's own at any zoom."""
    number = await _draw_pixel(service, wanted, place)
    await service.check_unchanged(wanted)
    made = dict.fromkeys(("super_resolved", "interpolated", "uncertainty"))
    native = _list(to_raster_unit(number, wanted.source.raster))
    return {"native": native, **made, "synthesised": False}


async def _inspect_values(
    service: TileService, wanted: TileRequest, place: _Place
) -> dict[str, Any]:
    """What is measured at a place, what is synthesised there, and how sure that is."""
    layer, raster, tile = wanted.layer, wanted.source.raster, wanted.tile
    scale = 2 ** (tile.z - layer.native_zoom)
    above = replace(wanted, tile=Tile(tile.x // scale, tile.y // scale, layer.native_zoom))
    native_place = place._replace(row=place.row // scale, col=place.col // scale)
    native = await _draw_pixel(service, above, native_place)
    made = await _draw_pixel(service, wanted, place)
    plain = await _draw_pixel(service, wanted.interpolate(), place)
    deviation = None
    if layer.uncertain:
        deviation = native * 0
        if scale > 1:
            options = replace(wanted.options, mode=Mode.uncertainty, detail=None)
            deviation = await _draw_pixel(service, replace(wanted, options=options), place)
    for read in (above, wanted):
        await service.check_unchanged(read)
    return {
        "native": _list(to_raster_unit(native, raster)),
        "super_resolved": _list(to_raster_unit(made, raster)),
        "interpolated": _list(to_raster_unit(plain, raster)),
        "uncertainty": None if deviation is None else _list(to_source_unit(deviation, raster)),
        "synthesised": scale > 1,
    }


def _describe(wanted: TileRequest, stored: StoredPixel | None) -> dict[str, Any]:
    """The sizes of the pixels, and the value of the file's own pixel at the place."""
    layer, zoom = wanted.layer, wanted.tile.z
    return {
        "native_zoom": layer.native_zoom,
        "full_resolution_zoom": layer.ground.full_resolution_zoom,
        **layer.ground.document(),
        "pixel_metres": round_size(layer.ground.pixel_metres(zoom)),
        "scale": round_size(layer.ground.ratio(zoom)),
        "bands": [f"b{index}" for index in wanted.source.raster.indexes],
        "imagery": None if stored is None else stored._asdict(),
    }


async def _draw_pixel(service: TileService, request: TileRequest, place: _Place) -> Any:
    """The values of a tile's pixel by band; raises OutsideSource where there is no data."""
    pixels, valid = await service.draw_values(request)
    rows, cols = request.window.slices(Window(place.row, place.col, 1, 1))
    if not valid[rows, cols].all():
        raise OutsideSource
    return pixels[:, rows, cols].reshape(-1)


def _list(values: Any) -> list[float | None]:
    """Values as JSON has them: those that are not finite, as a float32 overflows, are None."""
    return [float(f"{value:.{DIGITS}g}") if isfinite(value) else None for value in values]
