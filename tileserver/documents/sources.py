"""The list of sources: what there is to look at, and how a page shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from rasterio.errors import RasterioError
from starlette.requests import Request
from starlette.responses import Response

from tileserver.catalogue import Layer, Source
from tileserver.documents.coverage import geographic_bounds, tile_limits
from tileserver.documents.thumbnail import quick
from tileserver.errors import OutsideGrid
from tileserver.grid import WEB_MERCATOR
from tileserver.operation.access import grant_of, with_key


def add_sources(app: FastAPI, seen: Callable[[Request], list[Source]]) -> None:
    """Register the list of the sources that a client may see."""

    @app.get("/sources.json")
    def sources(request: Request, response: Response) -> list[dict[str, Any]]:
        """The sources that the client may see, in the order of the configuration."""
        response.headers["Cache-Control"] = "private, no-cache"  # another client may see others
        return [source_entry(source, request) for source in seen(request)]


def source_entry(source: Source, request: Request) -> dict[str, Any]:
    """What a list says of a source; addresses are relative and carry the request's key.

    native_zoom, max_zoom and tilejson are None where it lies outside web mercator, thumbnail where
    making one would take long, bounds where its edges lie beside the Earth.
    """
    settings, raster, reference = source.settings, source.raster, source.settings.reference

    def address(name: str) -> str:
        return with_key(f"{source.id}/{name}", request)

    layer = _on_web_mercator(source)
    return {
        "id": source.id,
        "title": source.title,
        "attribution": settings.attribution,
        "licence": settings.licence,
        "reference": reference if grant_of(request.scope).allows(reference or "") else None,
        "bounds": _bounds(source),
        "native_zoom": layer and layer.native_zoom,
        "max_zoom": layer and layer.max_zoom,
        "bands": len(raster.indexes),
        "thumbnail": address("thumbnail.webp") if quick(raster) else None,
        "tilejson": address("tilejson.json") if layer else None,
    }


def _bounds(source: Source) -> list[float] | None:
    try:
        return list(geographic_bounds(source))
    except OutsideGrid:
        return None


def _on_web_mercator(source: Source) -> Layer | None:
    try:
        layer = source.layer(WEB_MERCATOR)
    except (OutsideGrid, RasterioError, ArithmeticError, ValueError):
        return None  # the projection does not reach the source
    return layer if tile_limits(layer) else None
