"""The uncertainty layer's routes: how far synthesised detail may be from the truth.

GET /{source}/uncertainty/tiles/{tms}/{z}/{x}/{y}[@2x].{format}
GET /{source}/uncertainty[/{tms}]/tilejson.json
GET /{source}/uncertainty/legend.json
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from tileserver.api.documents.tilejson import TileRoute, answer_tilejson
from tileserver.api.rendering_parameters import RenderingParameters
from tileserver.api.tile_parameters import (
    Address,
    GridId,
    UncertaintyDocumentOptions,
    UncertaintyOptions,
)
from tileserver.api.tile_response import Answers
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.layers import Source
from tileserver.grid import WEB_MERCATOR
from tileserver.tiles.deviation import WHOLE, colour_ramp
from tileserver.tiles.rendering import Rendering
from tileserver.tiles.request import AskedTile, Mode, TileOptions, check_options

Json = dict[str, Any]


def add_uncertainty_tiles(router: APIRouter, answers: Answers) -> None:
    """Register the tiles."""
    path = "/uncertainty/tiles/{tileMatrixSetId}/{z}/{x}/{y}"

    @router.get(f"{path}.{{format}}", response_class=Response)
    @router.get(f"{path}@{{scale}}x.{{format}}", response_class=Response)
    async def uncertainty_tile(
        request: Request,
        source: str,
        tileMatrixSetId: GridId,
        address: Address,
        options: UncertaintyOptions,
    ) -> Response:
        """The error's standard deviation in colours; npy and tif: in the imagery's own unit."""
        asked = AskedTile(source_id=source, grid_id=tileMatrixSetId, tile=address, options=options)
        return await answers.answer(request, asked)


def add_uncertainty_documents(
    router: APIRouter, catalogue: Catalogue, path_dependency: Callable[..., Any]
) -> None:
    """Register the TileJSON and the legend of the tiles."""

    @router.get("/uncertainty/{tileMatrixSetId}/tilejson.json")
    def uncertainty_tilejson(
        request: Request,
        tileMatrixSetId: GridId,
        options: UncertaintyDocumentOptions,
        source: Source = Depends(path_dependency),
    ) -> Json:
        """TileJSON 3.0 of the uncertainty, which begins one zoom past native."""
        tiles = TileRoute("uncertainty_tile", tileMatrixSetId)
        return answer_tilejson(request, catalogue, source, tiles, options)

    @router.get("/uncertainty/tilejson.json")
    def xyz_uncertainty_tilejson(
        request: Request,
        options: UncertaintyDocumentOptions,
        source: Source = Depends(path_dependency),
    ) -> Json:
        """The TileJSON of the uncertainty on the web mercator grid."""
        tiles = TileRoute("uncertainty_tile", WEB_MERCATOR)
        return answer_tilejson(request, catalogue, source, tiles, options)

    @router.get("/uncertainty/legend.json")
    def uncertainty_legend(
        rendering: RenderingParameters, source: Source = Depends(path_dependency)
    ) -> Json:
        """The values of the tiles' colours, for the same parameters."""
        options = TileOptions(mode=Mode.uncertainty, rendering=rendering)
        completed = check_options(source, source.layer(WEB_MERCATOR), options)
        low, high = source.raster.range
        return {**legend(completed.rendering), "imagery_units_per_level": (high - low) / WHOLE}


def legend(rendering: Rendering) -> Json:
    """Every colour of a completed rendering, from the least value to the greatest."""
    (low, high), ramp = rendering.rescale[0], colour_ramp(rendering)
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
