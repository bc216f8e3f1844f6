"""The list of sources: what there is to look at, and how a page shows it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from starlette.requests import Request
from starlette.responses import Response

from tileserver.api.documents.thumbnail import quick
from tileserver.catalogue.catalogue import Absent
from tileserver.catalogue.coverage import UNREACHED, find_extent, tile_limits
from tileserver.catalogue.layers import Layer, Source
from tileserver.grid import WEB_MERCATOR
from tileserver.middleware.api_keys import grant_of, with_key

ZOOMS = ("native_zoom", "max_zoom", "full_resolution_zoom")
SIZES = ("imagery_pixel_metres", "native_pixel_metres")
BANDS = ("bands", "band_numbers", "band_colours", "range", "colour_table")
READ = (
    "bounds",
    "extent",
    *ZOOMS,
    *SIZES,
    "crs",
    "width",
    "height",
    *BANDS,
    "thumbnail",
    "tilejson",
)
"""What is known of a source only once it was read."""
ELSEWHERE = "it lies outside web mercator"


def add_sources(app: FastAPI, seen: Callable[[Request], list[Source | Absent]]) -> None:
    """Register the list of the sources that a client may see."""

    @app.get("/sources.json")
    def sources(request: Request, response: Response) -> list[dict[str, Any]]:
        """The sources that the client may see, in the order of the configuration."""
        response.headers["Cache-Control"] = "private, no-cache"  # another client may see others
        return [source_entry(source, request) for source in seen(request)]


def source_entry(source: Source | Absent, request: Request) -> dict[str, Any]:
    """What a list says of a source; addresses are relative and carry the request's key.

    Of what could not be read since the start only the configuration is known, all else is None.
    Zooms, sizes of pixels on the ground and tilejson are None where it lies outside web mercator,
    thumbnail where making one would take long, bounds where its edges lie beside the Earth, width
    and height (in pixels) of a tile service. range: the values shown as black and white.
    band_colours: what the file says that its bands show. colour_table: whether it is shown in the
    file's own colours. unavailable: why there is nothing to show, or None.
    """
    settings, reference = source.settings, source.settings.reference
    why: str | None
    if isinstance(source, Absent):
        about, why = dict.fromkeys(READ), _reason(source)
    else:
        about = _read(source, request)
        why = ELSEWHERE if about["tilejson"] is None else None
    return {
        "id": source.id,
        "title": settings.title or source.id,
        "attribution": settings.attribution,
        "licence": settings.licence,
        "date": settings.date,
        "reference": reference if grant_of(request.scope).allows(reference or "") else None,
        "view": _place(settings.view),
        "unavailable": why,
        **about,
    }


def _read(source: Source, request: Request) -> dict[str, Any]:
    def address(name: str) -> str:
        return with_key(f"{source.id}/{name}", request)

    layer = _on_web_mercator(source)
    return {
        **_extents(source),
        **(dict.fromkeys((*ZOOMS, *SIZES)) if layer is None else _resolution(layer)),
        **_size(source),
        **_bands(source),
        "thumbnail": address("thumbnail.webp") if quick(source.raster) else None,
        "tilejson": address("tilejson.json") if layer else None,
    }


def _size(source: Source) -> dict[str, Any]:
    raster, endless = source.raster, source.settings.upstream is not None
    authority = raster.crs.to_authority()
    return {
        "crs": ":".join(authority) if authority else _name_of(raster.crs),
        "width": None if endless else raster.width,
        "height": None if endless else raster.height,
    }


def _bands(source: Source) -> dict[str, Any]:
    raster = source.raster
    values = (
        len(raster.indexes),
        list(raster.indexes),
        [None if c is ColorInterp.undefined else c.name for c in raster.colours],
        list(raster.range),
        raster.palette is not None,
    )
    return dict(zip(BANDS, values, strict=True))


def _name_of(crs: CRS) -> str | None:
    name = re.match(r'[^"]*"([^"]+)"', crs.to_wkt())
    return name[1] if name else None


def _place(view: tuple[float, float, int] | None) -> dict[str, float] | None:
    return view and dict(zip(("longitude", "latitude", "zoom"), view, strict=True))


def _reason(source: Absent) -> str:
    """Why it could not be read, with no folder of the machine in it."""
    failure = source.failure
    text = (isinstance(failure, OSError) and failure.strerror) or str(failure or "not read yet")
    folder = os.path.dirname(source.settings.path or "")
    if folder:  # as a whole: its name may have blanks
        text = text.replace(f"{folder}/", "")
    return re.sub(r"[^\s'\"]*[/\\](?=[^\s/])", "", text)


def _resolution(layer: Layer) -> dict[str, float]:
    zooms = (layer.native_zoom, layer.max_zoom, layer.ground.full_resolution_zoom)
    return {**dict(zip(ZOOMS, zooms, strict=True)), **layer.ground.document()}


def _extents(source: Source) -> dict[str, list[float] | None]:
    try:
        extent = find_extent(source)
    except UNREACHED:
        return {"bounds": None, "extent": None}
    return {"bounds": list(extent.bounds), "extent": list(extent)}


def _on_web_mercator(source: Source) -> Layer | None:
    try:
        layer = source.layer(WEB_MERCATOR)
    except UNREACHED:
        return None
    return layer if tile_limits(layer) else None
