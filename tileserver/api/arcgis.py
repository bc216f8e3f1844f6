"""What ArcGIS clients ask for: a cached image service on web mercator.

GET /{source}/ImageServer?f=json
GET /{source}/ImageServer/tile/{z}/{y}/{x}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from tileserver.api.tile_parameters import Address, Options
from tileserver.api.tile_response import Answers
from tileserver.catalogue.coverage import tile_limits
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import OutsideGrid
from tileserver.grid import TILE_PX, WEB_MERCATOR
from tileserver.tiles.levels import default_indexes
from tileserver.tiles.request import AskedTile

Json = dict[str, Any]
VERSION = 10.91
"""Of ArcGIS Server, whose documents these are like."""
DPI, METRE_INCHES = 96, 39.37
"""Esri's inch is the surveyors'."""
WEB_MERCATOR_ID = {"wkid": 102100, "latestWkid": 3857}
Form = Annotated[str, Query(pattern="^p?json$", description="json or pjson.")]
BlankTile = Annotated[
    bool, Query(alias="blankTile", description="Has no effect: where there is no data, 404.")
]


def add_arcgis_tiles(router: APIRouter, answers: Answers) -> None:
    """Register the tiles."""

    @router.get("/ImageServer/tile/{z}/{y}/{x}", response_class=Response)
    async def arcgis_tile(
        request: Request,
        source: str,
        address: Address,
        options: Options,
        blank_tile: BlankTile = False,
    ) -> Response:
        """A tile by level, row and column, as ArcGIS clients ask for it."""
        asked = AskedTile(source_id=source, grid_id=WEB_MERCATOR, tile=address, options=options)
        return await answers.answer(request, asked)


def add_arcgis_document(router: APIRouter, path_dependency: Callable[..., Any]) -> None:
    """Register the description of the service."""

    @router.get("/ImageServer")
    def arcgis_service(f: Form = "json", source: Source = Depends(path_dependency)) -> Json:
        """The description of a cached image service, for ArcGIS clients."""
        layer = source.layer(WEB_MERCATOR)
        if not tile_limits(layer):
            raise OutsideGrid
        return service_document(source, layer)


def service_document(source: Source, layer: Layer) -> Json:
    """The description of a source's tiles in the form of ArcGIS's REST API."""
    grid, zooms = layer.grid, range(layer.max_zoom + 1)
    left, bottom, right, top = _bounds(layer)
    extent: Json = {"xmin": left, "ymin": bottom, "xmax": right, "ymax": top}
    extent["spatialReference"] = WEB_MERCATOR_ID
    x, y = grid.origin(0)
    lods = [_describe_level(grid.pixel_size(zoom), zoom) for zoom in zooms]
    made = "" if layer.nearest else f" Detail past level {layer.native_zoom} is synthesised."
    return {
        "currentVersion": VERSION,
        "name": source.id,
        "serviceDescription": source.title,
        "description": f"{source.title}.{made}",
        "copyrightText": source.settings.attribution or "",
        "capabilities": "Image,TilesOnly",
        "singleFusedMapCache": True,
        "tileInfo": {
            "rows": TILE_PX,
            "cols": TILE_PX,
            "dpi": DPI,
            "format": "PNG",
            "compressionQuality": 0,
            "origin": {"x": x, "y": y},
            "spatialReference": WEB_MERCATOR_ID,
            "lods": lods,
        },
        "spatialReference": WEB_MERCATOR_ID,
        "extent": extent,
        "initialExtent": extent,
        "fullExtent": extent,
        "minScale": lods[0]["scale"],
        "maxScale": lods[-1]["scale"],
        "minLOD": 0,
        "maxLOD": layer.max_zoom,
        "pixelSizeX": lods[-1]["resolution"],
        "pixelSizeY": lods[-1]["resolution"],
        "bandCount": len(default_indexes(source.raster)),
        "pixelType": "U8",
        "serviceDataType": "esriImageServiceDataTypeRGB",
        "hasMultidimensions": False,
    }


def _describe_level(metres: float, zoom: int) -> Json:
    return {"level": zoom, "resolution": metres, "scale": metres * DPI * METRE_INCHES}


def _bounds(layer: Layer) -> tuple[float, float, float, float]:
    """Left, bottom, right and top of what shows data, in the grid's units."""
    zoom = layer.native_zoom + 1
    extent = layer.extent
    place = layer.grid.transform(zoom, extent)
    right, bottom = place * (extent.width, extent.height)
    return place.c, float(bottom), float(right), place.f
