"""The tile routes: plain XYZ, and by tile matrix set.

GET /{source}/{z}/{x}/{y}[@2x].{format}
GET /{source}/tms/{z}/{x}/{y}[@2x].{format}    rows counted from the bottom: {-y} of templates
GET /{source}/tiles/{tms}/{z}/{x}/{y}[@2x][.{format}]
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tileserver.api.tile_parameters import Address, GridId, Options
from tileserver.api.tile_response import Answers
from tileserver.grid import WEB_MERCATOR
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.request import AskedTile


def add_tiles(router: APIRouter, answers: Answers) -> None:
    """Register the routes, both by their names: xyz_tile and tile."""
    images = {200: {"content": {f.media_type: {} for f in ImageFormat}, "description": "A tile."}}
    options: dict[str, Any] = {"response_class": Response, "responses": images}

    # The lowest decorator registers first: "@2x" and ".png" before what would swallow them.
    @router.get("/{z}/{x}/{y}.{format}", **options)
    @router.get("/{z}/{x}/{y}@{scale}x.{format}", **options)
    async def xyz_tile(
        request: Request, source: str, address: Address, options: Options
    ) -> Response:
        """A tile of the web mercator grid, past the native zoom super-resolved."""
        asked = AskedTile(source_id=source, grid_id=WEB_MERCATOR, tile=address, options=options)
        return await answers.answer(request, asked)

    @router.get("/tms/{z}/{x}/{y}.{format}", **options)
    @router.get("/tms/{z}/{x}/{y}@{scale}x.{format}", **options)
    async def tms_tile(
        request: Request, source: str, address: Address, options: Options
    ) -> Response:
        """A tile of the web mercator grid whose rows are counted from the bottom, as in TMS."""
        tile = address._replace(y=2**address.z - 1 - address.y)
        asked = AskedTile(source_id=source, grid_id=WEB_MERCATOR, tile=tile, options=options)
        return await answers.answer(request, asked)

    @router.get("/tiles/{tileMatrixSetId}/{z}/{x}/{y}", **options)
    @router.get("/tiles/{tileMatrixSetId}/{z}/{x}/{y}@{scale}x", **options)
    @router.get("/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}", **options)
    @router.get("/tiles/{tileMatrixSetId}/{z}/{x}/{y}@{scale}x.{format}", **options)
    async def tile(
        request: Request,
        source: str,
        tileMatrixSetId: GridId,
        address: Address,
        options: Options,
    ) -> Response:
        """A tile, past the native zoom super-resolved."""
        asked = AskedTile(source_id=source, grid_id=tileMatrixSetId, tile=address, options=options)
        return await answers.answer(request, asked)
