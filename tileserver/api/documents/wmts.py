"""WMTS capabilities: one layer per source, on every grid that it lies on, RESTful addresses.

titiler's own document has a layer for each grid, also for those that the source lies outside of,
and an order of elements that the standard's schema (OGC 07-057r7) refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jinja2
from fastapi import APIRouter, Depends
from rio_tiler.utils import CRS_to_urn
from starlette.requests import Request
from starlette.responses import Response

from tileserver.api.documents.tile_links import FORMATS, tile_query
from tileserver.api.tile_parameters import PictureOptions
from tileserver.catalogue.coverage import covered_layers, geographic_bounds
from tileserver.catalogue.layers import Source
from tileserver.errors import OutOfRange
from tileserver.middleware.api_keys import with_key
from tileserver.tiles.request import TileOptions, check_options

_templates = jinja2.Environment(
    autoescape=True,
    loader=jinja2.PackageLoader("tileserver.api.documents"),
    undefined=jinja2.StrictUndefined,
)


def add_wmts(router: APIRouter, path_dependency: Callable[..., Any], grids: list[str]) -> None:
    """Register the WMTS capabilities of a source."""

    @router.get("/WMTSCapabilities.xml", response_class=Response)
    def wmts(
        request: Request, picture: PictureOptions, source: Source = Depends(path_dependency)
    ) -> Response:
        """WMTS 1.0.0 capabilities of one source, for QGIS, ArcGIS and GDAL."""
        for name, value in request.query_params.items():
            if name.lower() == "request" and value.lower() != "getcapabilities":
                raise OutOfRange("request", f"GetCapabilities; others at {source.id}/wmts")
        return answer_capabilities(request, source, grids, picture)


def answer_capabilities(
    request: Request, source: Source, grids: list[str], picture: TileOptions
) -> Response:
    """The document of a source whose tiles are asked for with the request's own parameters.

    picture: what these say. Raises the RequestError of what the source's tiles cannot show.
    """
    for layer, _ in covered_layers(source, grids):
        check_options(source, layer, picture)
    query = with_key(tile_query(request), request)
    content = capabilities(source, grids, f"{request.base_url}{source.id}", query)
    return Response(content, media_type="application/xml")


def capabilities(source: Source, grids: list[str], base: str, query: str) -> str:
    """The document of a source whose routes lie under the URL `base`, without a final slash.

    query: what all addresses in it end with, "?" included; may be empty.
    """
    west, south, east, north = geographic_bounds(source)
    return _templates.get_template("wmts.xml").render(
        id=source.id,
        title=source.title,
        synthesised=not source.raster.nearest,
        licence=source.settings.licence,
        attribution=source.settings.attribution,
        west=west,
        south=south,
        east=east,
        north=north,
        formats=FORMATS,
        layers=list(covered_layers(source, grids)),
        tiles=f"{base}/tiles",
        query=query,
        own=f"{base}/WMTSCapabilities.xml{query}",
        service=f"{base}/wmts{query}{'&' if query else '?'}",
        urn=CRS_to_urn,
    )
