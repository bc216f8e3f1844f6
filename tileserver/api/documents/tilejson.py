"""TileJSON 3.0 of a source: what is served, and which of it is native.

Sizes are of pixels on the ground in the middle of the source. Those of a zoom's tiles are
native_pixel_metres / 2 ** (zoom - native_maxzoom); past full_resolution_zoom, the first that holds
all of the file's resolution, they are finer than the file's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from engine.pictures.samples import Sample
from tileserver.api.documents.credits import attribute
from tileserver.api.tile_parameters import DocumentOptions, GridId
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.coverage import find_extent
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import OutOfRange
from tileserver.grid import TILE_PX, WEB_MERCATOR
from tileserver.middleware.api_keys import grant_of, links_with_key
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.rendering import list_parameters
from tileserver.tiles.request import Mode, TileOptions, check_options
from tileserver.tiles.versions import version

Json = dict[str, Any]
Scheme = Annotated[
    Literal["xyz", "tms"], Query(description="tms: rows are counted from the bottom.")
]


def add_tilejson(
    router: APIRouter, catalogue: Catalogue, path_dependency: Callable[..., Any]
) -> None:
    """Register TileJSON, whose maxzoom is the served one."""

    @router.get("/{tileMatrixSetId}/tilejson.json")
    def tilejson(
        request: Request,
        tileMatrixSetId: GridId,
        options: DocumentOptions,
        source: Source = Depends(path_dependency),
    ) -> Json:
        """TileJSON 3.0; its member "overzoom" says what is native and what is made."""
        tiles = TileRoute("tile", tileMatrixSetId)
        return answer_tilejson(request, catalogue, source, tiles, options)

    @router.get("/tilejson.json")
    def xyz_tilejson(
        request: Request,
        options: DocumentOptions,
        scheme: Scheme = "xyz",
        source: Source = Depends(path_dependency),
    ) -> Json:
        """The TileJSON of the web mercator grid."""
        tiles = TileRoute(f"{scheme}_tile", WEB_MERCATOR, names_grid=False, scheme=scheme)
        return answer_tilejson(request, catalogue, source, tiles, options)


@dataclass(frozen=True, slots=True)
class TileRoute:
    """The route of the tiles that a TileJSON announces."""

    name: str
    grid_id: str
    names_grid: bool = True
    """Whether the grid is a part of its path."""
    scheme: str = "xyz"
    """How its rows are counted: from the top, or from the bottom (tms)."""

    def make_template(self, request: Request, source_id: str, format: ImageFormat) -> str:
        """The URL template of the tiles: {z}, {x} and {y} are the client's to fill in."""
        path = {"z": "{z}", "x": "{x}", "y": "{y}", "format": str(format)}
        if self.names_grid:
            path["tileMatrixSetId"] = self.grid_id
        return str(request.url_for(self.name, source=source_id, **path))


def answer_tilejson(
    request: Request, catalogue: Catalogue, source: Source, tiles: TileRoute, options: TileOptions
) -> Json:
    """The TileJSON of a source, as the client of a request may see it."""
    url = tiles.make_template(request, source.id, options.format)
    document = tilejson_document(catalogue, source, tiles.grid_id, url=url, options=options)
    return _for_client({**document, "scheme": tiles.scheme}, request)


def tilejson_document(
    catalogue: Catalogue, source: Source, grid_id: str, *, url: str, options: TileOptions
) -> Json:
    """The TileJSON of a source on a grid, for tiles of a URL template.

    The template carries the version of the tiles, so that clients may keep them for good. Raises
    the RequestError of options that the source's tiles cannot have.
    """
    layer = source.layer(grid_id)
    check_options(source, layer, options)
    scale = options.scale
    tms, deepest = layer.grid.tms, layer.max_zoom - (scale - 1)
    if deepest < tms.minzoom:
        raise OutOfRange("tilesize", "256: the deepest zoom of larger tiles is not on this grid")
    shown = None
    if not layer.nearest:
        shown = layer.samples.sample(options.noise_seed, options.detail)
    made_of = version(catalogue, source, shown)
    minzoom = min(layer.least_zoom, deepest)
    if options.mode is Mode.uncertainty:
        minzoom = layer.native_zoom + 1 - (scale - 1)
    query, extent = list_query(layer, options, shown), find_extent(source)
    document: Json = {
        "tilejson": "3.0.0",
        "name": source.title,
        "scheme": "xyz",
        "tileSize": TILE_PX * scale,
        "tiles": [f"{url}?{urlencode([*query, ('v', made_of)])}"],
        "minzoom": minzoom,
        "maxzoom": deepest,
        "bounds": list(extent.bounds),
        "center": [
            *extent.centre,
            min(max(layer.native_zoom, minzoom), deepest),
        ],
        "overzoom": {
            "native_maxzoom": min(layer.native_zoom - (scale - 1), deepest),
            "full_resolution_zoom": layer.ground.full_resolution_zoom - (scale - 1),
            **layer.ground.document(),
            "extent": list(extent),
            "synthesised": shown is not None,
            **({} if shown is None else _made_by(catalogue, layer, shown)),
            "fingerprint": made_of,
            "reference": source.settings.reference,
        },
    }
    attribution = attribute(source, layer, options)
    if attribution:
        document["attribution"] = attribution
    if source.settings.licence:
        document["overzoom"]["licence"] = source.settings.licence
    return document


def list_query(layer: Layer, options: TileOptions, sample: Sample | None) -> list[tuple[str, str]]:
    """The query parameters that ask for tiles; what is the default is left out."""
    query = [("mode", str(options.mode))] if options.mode is Mode.interpolated else []
    if sample is not None and sample.noise_seed != layer.samples.noise_seeds[0]:
        query.append(("noise_seed", str(sample.noise_seed)))
    if sample is not None and sample.detail != layer.samples.detail:
        query.append(("detail", f"{sample.detail:g}"))
    if options.scale > 1:
        query.append(("tilesize", str(TILE_PX * options.scale)))
    return [*query, *list_parameters(options.rendering)]


def _made_by(catalogue: Catalogue, layer: Layer, shown: Sample) -> Json:
    """What pixels past native are synthesised by, and which others can be asked for."""
    return {
        "checkpoint": catalogue.checkpoint.name,
        "checkpoint_fingerprint": catalogue.checkpoint.fingerprint,
        "steps": catalogue.settings.steps,
        "detail": shown.detail,
        "details": sorted({0.0, layer.samples.detail}),
        "noise_seed": shown.noise_seed,
        "noise_seeds": list(layer.samples.noise_seeds),
    }


def _for_client(document: Json, request: Request) -> Json:
    """The document as a client may see it: its key in the links, no id that it must not know."""
    about = document["overzoom"]
    if about["reference"] and not grant_of(request.scope).allows(about["reference"]):
        about["reference"] = None
    return links_with_key(document, request)
