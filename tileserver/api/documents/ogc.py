"""OGC API Tiles (OGC 20-057): where things are, and the metadata of tilesets (OGC 17-083r4).

GET /?f=json                 links to all below
GET /conformance             the conformance classes
GET /tileMatrixSets[/{id}]   the grids
GET /{source}/tiles[/{id}]   a source's tilesets, one a grid that it lies on
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query
from starlette.requests import Request

from tileserver.api.documents.tile_links import FORMATS, tile_query
from tileserver.api.tile_parameters import GridId, PictureOptions
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.coverage import TileLimits, covered_layers, geographic_bounds, tile_limits
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import OutsideGrid
from tileserver.grid import Grid, grid_of
from tileserver.middleware.api_keys import with_key
from tileserver.tiles.request import check_options

SPECIFICATION = "http://www.opengis.net/spec"
RELATION = "http://www.opengis.net/def/rel/ogc/1.0"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
CONFORMANCE = [
    f"{SPECIFICATION}/ogcapi-common-1/1.0/conf/core",
    f"{SPECIFICATION}/ogcapi-common-1/1.0/conf/landing-page",
    f"{SPECIFICATION}/ogcapi-common-1/1.0/conf/json",
    f"{SPECIFICATION}/ogcapi-tiles-1/1.0/conf/core",
    f"{SPECIFICATION}/ogcapi-tiles-1/1.0/conf/tileset",
    f"{SPECIFICATION}/ogcapi-tiles-1/1.0/conf/tilesets-list",
    f"{SPECIFICATION}/ogcapi-tiles-1/1.0/conf/png",
    f"{SPECIFICATION}/ogcapi-tiles-1/1.0/conf/jpeg",
    f"{SPECIFICATION}/tms/2.0/conf/tilematrixset",
    f"{SPECIFICATION}/tms/2.0/conf/tilesetmetadata",
    f"{SPECIFICATION}/tms/2.0/conf/json-tilematrixset",
    f"{SPECIFICATION}/tms/2.0/conf/json-tilesetmetadata",
]

Json = dict[str, Any]
Answer = Annotated[str, Query(alias="f", pattern="^json$", description="Form of the answer: json.")]


def add_ogc(app: FastAPI, catalogue: Catalogue) -> None:
    """Register what belongs to no source."""

    @app.get("/conformance")
    async def conformance(f: Answer = "json") -> Json:
        """The conformance classes that the server meets."""
        return {"conformsTo": CONFORMANCE}

    @app.get("/tileMatrixSets")
    async def tilematrixsets(request: Request, f: Answer = "json") -> Json:
        """The tile matrix sets on which sources can be asked for."""
        ids = sorted(catalogue.grids)
        return {"tileMatrixSets": [_grid_reference(request, catalogue.grids[id]) for id in ids]}

    @app.get("/tileMatrixSets/{tileMatrixSetId}")
    async def tilematrixset(tileMatrixSetId: GridId, f: Answer = "json") -> Json:
        """The definition of a tile matrix set."""
        return definition(grid_of(catalogue.grids, tileMatrixSetId))


def add_tilesets(router: APIRouter, path_dependency: Callable[..., Any], grids: list[str]) -> None:
    """Register the tilesets of a source."""

    @router.get("/tiles")
    def tileset_list(
        request: Request, source: Source = Depends(path_dependency), f: Answer = "json"
    ) -> Json:
        """The tilesets of a source: one for each grid that it lies on."""
        tilesets = [
            tileset_item(request, layer, source) for layer, _ in covered_layers(source, grids)
        ]
        links = [_link(request, f"{source.id}/tiles", "self", "This document")]
        return {"links": links, "tilesets": tilesets}

    @router.get("/tiles/{tileMatrixSetId}")
    def tileset(
        request: Request,
        tileMatrixSetId: GridId,
        picture: PictureOptions,
        source: Source = Depends(path_dependency),
        f: Answer = "json",
    ) -> Json:
        """The metadata of a source's tileset on one grid."""
        layer = source.layer(tileMatrixSetId)
        limits = tile_limits(layer)
        if not limits:
            raise OutsideGrid
        check_options(source, layer, picture)
        return tileset_document(request, source, layer, limits)


def wants_json(request: Request) -> bool:
    """Whether the landing page is asked for by a program."""
    accepted = request.headers.get("accept", "")
    form = request.query_params.get("f")
    return form == "json" or ("application/json" in accepted and "text/html" not in accepted)


def landing_page(request: Request, sources: list[Source]) -> Json:
    """What the server has, for programs: the OGC API landing page."""
    link = partial(_link, request)
    links = [
        link("?f=json", "self", "This document"),
        link("", "alternate", "Map", "text/html"),
        link("openapi.json", "service-desc", "OpenAPI", "application/vnd.oai.openapi+json"),
        link("api.html", "service-doc", "All routes", "text/html"),
        link("conformance", "conformance", "Conformance classes"),
        link("conformance", f"{RELATION}/conformance", "Conformance classes"),
        link("tileMatrixSets", f"{RELATION}/tiling-schemes", "Tile matrix sets"),
    ]
    for source in sources:
        tilesets, drawn = f"{source.id}/tiles", f"{source.id}/map"
        links.append(link(tilesets, f"{RELATION}/tilesets-map", f"Tilesets of {source.title}"))
        links.append(link(drawn, f"{RELATION}/map", f"Map of {source.title}", "image/png"))
    description = "Map tiles; where they are finer than the imagery their detail is synthesised."
    return {"title": "Overzoom", "description": description, "links": links}


def definition(grid: Grid) -> Json:
    """A tile matrix set in the encoding of OGC 17-083r4."""
    document: Json = grid.tms.model_dump(mode="json", exclude_none=True)
    return document


def tileset_item(request: Request, layer: Layer, source: Source) -> Json:
    """A tileset in a list: what it is, and where to find out more."""
    grid = layer.grid
    about = definition(grid)
    item: Json = {
        "title": f"{source.title} on {grid.id}",
        "dataType": "map",
        "crs": about["crs"],
        "links": [
            _link(request, f"{source.id}/tiles/{grid.id}", "self", "Tileset metadata"),
            _scheme(request, grid),
        ],
    }
    if "uri" in about:
        item["tileMatrixSetURI"] = about["uri"]
    return item


def tileset_document(
    request: Request, source: Source, layer: Layer, limits: list[TileLimits]
) -> Json:
    """The metadata of a tileset; its tile links take tileMatrix, tileRow and tileCol."""
    west, south, east, north = geographic_bounds(source)
    document = tileset_item(request, layer, source)
    tiles = f"{source.id}/tiles/{layer.grid.id}/{{tileMatrix}}/{{tileCol}}/{{tileRow}}"
    for format in FORMATS:
        path = f"{tiles}.{format}{tile_query(request)}"
        link = _link(request, path, "item", f"Tiles as {format}", format.media_type)
        document["links"].append({**link, "templated": True})
    page = f"{source.id}/{layer.grid.id}/map.html"
    document["links"].append(_link(request, page, "alternate", "Map", "text/html"))
    if source.settings.attribution:
        document["attribution"] = source.settings.attribution
    if source.settings.licence:
        document["license"] = source.settings.licence
    document["mediaTypes"] = [format.media_type for format in FORMATS]
    document["boundingBox"] = {
        "lowerLeft": [west, south],
        "upperRight": [east, north],
        "crs": CRS84,
    }
    document["tileMatrixSetLimits"] = [_limit(zoom) for zoom in limits]
    return document


def _limit(zoom: TileLimits) -> Mapping[str, str | int]:
    return {
        "tileMatrix": zoom.matrix,
        "minTileRow": zoom.min_row,
        "maxTileRow": zoom.max_row,
        "minTileCol": zoom.min_col,
        "maxTileCol": zoom.max_col,
    }


def _grid_reference(request: Request, grid: Grid) -> Json:
    reference: Json = {"id": grid.id, "links": [_scheme(request, grid)]}
    if grid.tms.title:
        reference["title"] = grid.tms.title
    if grid.tms.uri:
        reference["uri"] = str(grid.tms.uri)
    return reference


def _scheme(request: Request, grid: Grid) -> Json:
    relation = f"{RELATION}/tiling-scheme"
    return _link(request, f"tileMatrixSets/{grid.id}", relation, f"Definition of {grid.id}")


def _link(
    request: Request, path: str, rel: str, title: str, type: str = "application/json"
) -> Json:
    """A link to a path of the server, with the request's key."""
    href = with_key(f"{request.base_url}{path}", request)
    return {"href": href, "rel": rel, "type": type, "title": title}
