"""The list of sources: what there is to look at, and how a page shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import numpy as np
from fastapi import FastAPI
from rasterio.errors import RasterioError
from starlette.requests import Request

from tileserver.catalogue import Layer, Source
from tileserver.documents.coverage import geographic_bounds, tile_limits
from tileserver.grid import WEB_MERCATOR
from tileserver.operation.access import with_key
from tileserver.rendering import Rendering, default_indexes, query_of
from tileserver.sources.raster import Raster

THUMBNAIL_PX = 256
QUICK_PX = 4096**2
"""Pixels that a thumbnail may be made of: half a second's reading."""
EIGHT_BITS = (0.0, 255.0)


def add_sources(app: FastAPI, seen: Callable[[Request], list[Source]]) -> None:
    """Register the list of the sources that a client may see."""

    @app.get("/sources.json")
    def sources(request: Request) -> list[dict[str, Any]]:
        """The sources that the client may see, in the order of the configuration."""
        return [source_entry(source, request) for source in seen(request)]


def source_entry(source: Source, request: Request) -> dict[str, Any]:
    """What a list says of a source; addresses are relative and carry the request's key.

    native_zoom, max_zoom and tilejson are None where it lies outside web mercator, thumbnail where
    making one would take long.
    """
    settings, raster = source.settings, source.raster
    layer, thumbnail = _on_web_mercator(source), _thumbnail(source)
    return {
        "id": source.id,
        "title": source.title,
        "attribution": settings.attribution,
        "licence": settings.licence,
        "reference": settings.reference,
        "bounds": list(geographic_bounds(source)),
        "native_zoom": layer and layer.native_zoom,
        "max_zoom": layer and layer.max_zoom,
        "bands": len(raster.indexes),
        "thumbnail": thumbnail and with_key(thumbnail, request),
        "tilejson": layer and with_key(f"{source.id}/tilejson.json", request),
    }


def _on_web_mercator(source: Source) -> Layer | None:
    try:
        layer = source.layer(WEB_MERCATOR)
    except (RasterioError, ArithmeticError, ValueError):
        return None  # the projection does not reach the source
    return layer if tile_limits(layer) else None


def _thumbnail(source: Source) -> str | None:
    """titiler's preview in the source's own range: 16 bits would be black without it."""
    raster = source.raster
    if _pixels_read(raster) > QUICK_PX:
        return None
    rescale = () if (raster.dtype, raster.range) == ("uint8", EIGHT_BITS) else (raster.range,)
    query = [("max_size", str(THUMBNAIL_PX)), ("resampling", "average")]
    query += query_of(Rendering(default_indexes(raster), rescale))
    if np.dtype(raster.dtype).kind == "f" and raster.nodata is None:
        query.append(("nodata", "nan"))  # black otherwise
    return f"{source.id}/preview.webp?{urlencode(query)}"


def _pixels_read(raster: Raster) -> int:
    """Of the coarsest overview that is still finer than the thumbnail, or of the raster itself."""
    most = max(raster.height, raster.width) / THUMBNAIL_PX
    factor = max((one for one in raster.overviews if one <= most), default=1)
    return raster.height * raster.width // factor**2
