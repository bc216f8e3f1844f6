"""The uncertainty layer's routes: how far synthesised detail may be from the truth.

GET /{source}/uncertainty/tiles/{tms}/{z}/{x}/{y}[@2x].{format}
GET /{source}/uncertainty[/{tms}]/tilejson.json
GET /{source}/uncertainty/legend.json
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends
from morecantile import Tile
from starlette.requests import Request
from starlette.responses import Response

from tileserver.api.documents.tilejson import for_client, tilejson_document
from tileserver.api.tile_parameters import (
    Asked,
    GridId,
    Index,
    Scale,
    Shown,
    TileSize,
    Zoom,
    scale_of,
)
from tileserver.api.tile_response import Answers
from tileserver.catalogue.layers import Source
from tileserver.grid import WEB_MERCATOR
from tileserver.tiles.deviation import WHOLE, colours
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.rendering import Rendering
from tileserver.tiles.request import Mode

Json = dict[str, Any]


def add_uncertainty(
    router: APIRouter,
    answers: Answers,
    path_dependency: Callable[..., Any],
    url_for: Callable[..., str],
) -> None:
    """Register the tiles, their TileJSON and their legend."""
    tile = "/uncertainty/tiles/{tileMatrixSetId}/{z}/{x}/{y}"

    @router.get(f"{tile}.{{format}}", response_class=Response)
    @router.get(f"{tile}@{{scale}}x.{{format}}", response_class=Response)
    async def uncertainty_tile(
        request: Request,
        source: str,
        tileMatrixSetId: GridId,
        z: Zoom,
        x: Index,
        y: Index,
        format: ImageFormat,
        rendering: Shown,
        scale: Scale = 1,
        tilesize: TileSize = None,
    ) -> Response:
        """The error's standard deviation in colours; npy and tif: in the imagery's own unit."""
        tile, scale = Tile(x, y, z), scale_of(scale, tilesize)
        wanted = answers.renderer.request(
            source, tileMatrixSetId, tile, format, Mode.uncertainty, scale, rendering
        )
        return await answers.answer(request, wanted)

    def document(
        request: Request,
        source: Source,
        grid_id: str,
        rendering: Rendering,
        tile_format: ImageFormat,
        tilesize: int | None,
    ) -> Json:
        route = {"z": "{z}", "x": "{x}", "y": "{y}", "format": str(tile_format)}
        url = url_for(request, "uncertainty_tile", tileMatrixSetId=grid_id, **route)
        asked = Asked(rendering, tile_format, scale_of(1, tilesize), Mode.uncertainty)
        found = tilejson_document(answers.renderer, source, grid_id, url, asked)
        return for_client(found, request)

    @router.get("/uncertainty/{tileMatrixSetId}/tilejson.json")
    def uncertainty_tilejson(
        request: Request,
        tileMatrixSetId: GridId,
        rendering: Shown,
        tile_format: ImageFormat = ImageFormat.png,
        tilesize: TileSize = None,
        source: Source = Depends(path_dependency),
    ) -> Json:
        """TileJSON 3.0 of the uncertainty, which begins one zoom past native."""
        return document(request, source, tileMatrixSetId, rendering, tile_format, tilesize)

    @router.get("/uncertainty/tilejson.json")
    def xyz_uncertainty_tilejson(
        request: Request,
        rendering: Shown,
        tile_format: ImageFormat = ImageFormat.png,
        tilesize: TileSize = None,
        source: Source = Depends(path_dependency),
    ) -> Json:
        """The TileJSON of the uncertainty on the web mercator grid."""
        return document(request, source, WEB_MERCATOR, rendering, tile_format, tilesize)

    @router.get("/uncertainty/legend.json")
    def uncertainty_legend(rendering: Shown, source: Source = Depends(path_dependency)) -> Json:
        """The values of the tiles' colours, for the same parameters."""
        layer = source.layer(WEB_MERCATOR)
        completed = answers.renderer.check(
            source, layer, Mode.uncertainty, rendering, ImageFormat.png
        )
        low, high = source.raster.range
        return {**legend(completed), "imagery_units_per_level": (high - low) / WHOLE}


def legend(rendering: Rendering) -> Json:
    """Every colour of a completed rendering, from the least value to the greatest."""
    (low, high), ramp = rendering.rescale[0], colours(rendering)
    step = (high - low) / (len(ramp) - 1)
    return {
        "title": "Uncertainty: standard deviation of the error",
        "unit": "levels of 255",
        "minimum": low,
        "maximum": high,
        "colours": [
            [round(low + place * step, 6), f"#{bytes(colour).hex()}"]
            for place, colour in enumerate(ramp)
        ],
    }
