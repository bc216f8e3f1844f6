"""Addresses and snippets that show a source on a map elsewhere, made to be copied."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote, urlencode

import jinja2
from fastapi import APIRouter, Depends, Query
from rio_tiler.colormap import cmap as colour_maps
from starlette.requests import Request

from tileserver.api.documents.credits import attribute
from tileserver.api.documents.tilejson import list_query
from tileserver.api.tile_parameters import PictureOptions
from tileserver.catalogue.coverage import geographic_bounds, geographic_centre, tile_limits
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import OutsideGrid
from tileserver.grid import WEB_MERCATOR
from tileserver.middleware.api_keys import with_key
from tileserver.rasters.ground import metres
from tileserver.tiles.request import Mode, TileOptions, check_options

ENLARGED_ZOOMS = 2
"""How far a map goes on past the deepest tiles, by enlarging them."""
MERCATOR_LATITUDE = 85.0511
DIGITS = 8
"""Decimals of a degree: a millimetre."""

Longitude = Annotated[float | None, Query(ge=-180, le=180, description="Of the map's centre.")]
Latitude = Annotated[float | None, Query(ge=-90, le=90, description="Of the map's centre.")]
Zoom = Annotated[float | None, Query(ge=0, le=30, description="At which the map opens.")]


class Snippet(NamedTuple):
    """A client's name, and the template that its text is made of."""

    id: str
    title: str
    language: str
    template: str


SNIPPETS = (
    Snippet("xyz", "XYZ tiles", "text", "xyz.txt.jinja"),
    Snippet("tilejson", "TileJSON", "text", "tilejson.txt.jinja"),
    Snippet("wmts", "WMTS", "text", "wmts.txt.jinja"),
    Snippet("leaflet", "Leaflet", "html", "leaflet.html"),
    Snippet("openlayers", "OpenLayers", "html", "openlayers.html"),
    Snippet("maplibre", "MapLibre GL", "html", "maplibre.html"),
    Snippet("qgis-xyz", "QGIS, XYZ tiles", "python", "qgis-xyz.py.jinja"),
    Snippet("qgis-wmts", "QGIS, WMTS", "python", "qgis-wmts.py.jinja"),
    Snippet("iframe", "This viewer, in a page", "html", "iframe.html"),
    Snippet("arcgis", "ArcGIS Maps SDK for JavaScript", "javascript", "arcgis.js.jinja"),
    Snippet("cesium", "CesiumJS", "javascript", "cesium.js.jinja"),
    Snippet("josm", "JOSM", "text", "josm.txt.jinja"),
    Snippet("gdal", "GDAL", "xml", "gdal.xml"),
    Snippet("ipyleaflet", "ipyleaflet", "python", "ipyleaflet.py.jinja"),
    Snippet("folium", "folium", "python", "folium.py.jinja"),
)

_templates = jinja2.Environment(
    # Titles stand in HTML, addresses in XML; other words are written as literals of a language.
    autoescape=jinja2.select_autoescape(["html", "xml"]),
    loader=jinja2.PackageLoader("tileserver.api.documents", "templates/embed"),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
)
# JSON's texts are Python's and JavaScript's as well, where no character is written as two
# surrogates.
_templates.filters["literal"] = partial(json.dumps, ensure_ascii=False)
_templates.filters["oneline"] = lambda text: " ".join(text.split())
_templates.filters["quoted"] = lambda url: quote(url, safe=":/")


SYNTHESISED = "detail of deeper tiles, down to {finest}, is synthesised"
REPEATED = "deeper tiles repeat its pixels"
ENLARGED = "deeper tiles enlarge it by interpolation"


def add_embed(router: APIRouter, path_dependency: Callable[..., Any]) -> None:
    """Register the snippets of a source."""

    @router.get("/embed.json")
    def embed(
        request: Request,
        options: PictureOptions,
        zoom: Zoom = None,
        lon: Longitude = None,
        lat: Latitude = None,
        source: Source = Depends(path_dependency),
    ) -> list[dict[str, str]]:
        """The tiles' addresses, and text that shows them in a dozen clients.

        The sample, mode, detail and rendering that are asked for are kept in all of them.
        """
        layer = source.layer(WEB_MERCATOR)
        if not tile_limits(layer):
            raise OutsideGrid
        options = check_options(source, layer, options)
        words = _place(source, layer, zoom, lon, lat) | _describe(source, layer, options)
        words |= _addresses(source, layer, options, request)
        words["viewer"] = _viewer(source, options, words, request)
        return [
            {
                "id": snippet.id,
                "title": snippet.title,
                "language": snippet.language,
                "text": _templates.get_template(snippet.template).render(words),
            }
            for snippet in SNIPPETS
        ]


def _describe(source: Source, layer: Layer, options: TileOptions) -> dict[str, Any]:
    """What the source is called, whose it is, and what its deeper tiles are."""
    finest = metres(layer.ground.pixel_metres(layer.max_zoom))
    deeper = SYNTHESISED.format(finest=finest)
    if layer.nearest is not None:
        deeper = REPEATED
    elif options.mode is Mode.interpolated:
        deeper = ENLARGED
    return {
        "id": source.id,
        "title": source.title,
        "attribution": attribute(source, layer, options) or "",
        "grid": WEB_MERCATOR,
        "imagery_size": metres(layer.ground.imagery_metres),
        "deeper": deeper,
        "classes": layer.nearest is not None,
    }


def _addresses(
    source: Source, layer: Layer, options: TileOptions, request: Request
) -> dict[str, str]:
    """Absolute addresses, with the request's key."""
    sample = None if layer.nearest else layer.samples.sample(options.noise_seed, options.detail)
    query = urlencode(list_query(layer, options, sample))

    def address(path: str) -> str:
        url = f"{request.base_url}{source.id}/{path}"
        return with_key(f"{url}?{query}" if query else url, request)

    return {
        "tiles": address("{z}/{x}/{y}.webp"),
        "png_tiles": address("{z}/{x}/{y}.png"),
        "tilejson": address("tilejson.json"),
        "capabilities": address("WMTSCapabilities.xml"),
    }


def _viewer(source: Source, options: TileOptions, place: dict[str, Any], request: Request) -> str:
    """The address of the viewer at a place, with what is shown where it has words for it."""
    shown: list[tuple[str, object]] = [("mode", "single")]
    if options.mode is Mode.interpolated:
        shown = [("other", "interpolated")]
    elif options.detail == 0:
        shown = [("other", "mean")]
    rendering = options.rendering
    if options.noise_seed is not None:
        shown.append(("sample", options.noise_seed))
    if rendering.indexes:
        shown.append(("bands", ",".join(map(str, rendering.indexes))))
    if len(rendering.rescale) == 1:
        shown.append(("stretch", ",".join(f"{level:g}" for level in rendering.rescale[0])))
    if rendering.colormap and rendering.colormap in colour_maps.list():
        shown.append(("colours", rendering.colormap))
    view = f"{place['whole_zoom']}/{place['lat']}/{place['lon']}"
    return f"{with_key(str(request.base_url), request)}#{source.id}/{view}?{urlencode(shown)}"


def _place(
    source: Source, layer: Layer, zoom: float | None, lon: float | None, lat: float | None
) -> dict[str, Any]:
    """Zooms, bounds and the view that the map opens at: the middle, where detail begins."""
    west, south, east, north = geographic_bounds(source)
    south, north = max(south, -MERCATOR_LATITUDE), min(north, MERCATOR_LATITUDE)
    middle, _ = geographic_centre(source)
    deepest = layer.max_zoom + ENLARGED_ZOOMS
    first = min(layer.native_zoom + 1, layer.max_zoom)
    opened = min(first if zoom is None else round(zoom, 2), deepest)
    return {
        "native_zoom": layer.native_zoom,
        "max_zoom": layer.max_zoom,
        "map_zoom": deepest,
        "zoom": opened,
        "whole_zoom": round(opened),
        "west": round(west, DIGITS),
        "south": round(south, DIGITS),
        "east": round(east, DIGITS),
        "north": round(north, DIGITS),
        "mercator": _mercator_bounds(layer, west, south, east, north),
        "lon": round(middle if lon is None else lon, DIGITS),
        "lat": round((south + north) / 2 if lat is None else lat, DIGITS),
    }


def _mercator_bounds(
    layer: Layer, west: float, south: float, east: float, north: float
) -> list[float]:
    """West, south, east, north of a box in metres of the grid."""
    tms = layer.grid.tms
    return [round(metre, 2) for metre in (*tms.xy(west, south), *tms.xy(east, north))]
