"""Snippets that show a source on a map elsewhere: whole pages and scripts, made to be copied."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

import jinja2
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from tileserver.catalogue.coverage import geographic_bounds, geographic_centre, tile_limits
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import OutsideGrid
from tileserver.grid import WEB_MERCATOR
from tileserver.middleware.api_keys import with_key
from tileserver.rasters.ground import metres

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
    Snippet("leaflet", "Leaflet", "html", "leaflet.html"),
    Snippet("openlayers", "OpenLayers", "html", "openlayers.html"),
    Snippet("maplibre", "MapLibre GL", "html", "maplibre.html"),
    Snippet("qgis-xyz", "QGIS, XYZ tiles", "python", "qgis-xyz.py.jinja"),
    Snippet("qgis-wmts", "QGIS, WMTS", "python", "qgis-wmts.py.jinja"),
    Snippet("ipyleaflet", "ipyleaflet", "python", "ipyleaflet.py.jinja"),
    Snippet("folium", "folium", "python", "folium.py.jinja"),
)

_templates = jinja2.Environment(
    # Titles stand in HTML; all other words are written as literals of their language.
    autoescape=jinja2.select_autoescape(["html"]),
    loader=jinja2.PackageLoader("tileserver.api.documents", "templates/embed"),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
)
# JSON's texts are Python's as well, where no character is written as two surrogates.
_templates.filters["python"] = partial(json.dumps, ensure_ascii=False)
_templates.filters["oneline"] = lambda text: " ".join(text.split())
_templates.filters["quoted"] = lambda url: quote(url, safe=":/")


SYNTHESISED = "detail of deeper tiles, down to {finest}, is synthesised"
REPEATED = "deeper tiles repeat its pixels"


def add_embed(router: APIRouter, path_dependency: Callable[..., Any]) -> None:
    """Register the snippets of a source."""

    @router.get("/embed.json")
    def embed(
        request: Request,
        zoom: Zoom = None,
        lon: Longitude = None,
        lat: Latitude = None,
        source: Source = Depends(path_dependency),
    ) -> list[dict[str, str]]:
        """Text that shows the source in Leaflet, OpenLayers, MapLibre, QGIS, ipyleaflet, folium."""
        layer = source.layer(WEB_MERCATOR)
        if not tile_limits(layer):
            raise OutsideGrid
        words = _addresses(source, request) | _place(source, layer, zoom, lon, lat)
        return [
            {
                "id": snippet.id,
                "title": snippet.title,
                "language": snippet.language,
                "text": _templates.get_template(snippet.template).render(words),
            }
            for snippet in SNIPPETS
        ]


def _addresses(source: Source, request: Request) -> dict[str, Any]:
    """Absolute addresses, with the request's key, and what the source is called."""
    base = f"{request.base_url}{source.id}"
    return {
        "id": source.id,
        "title": source.title,
        "attribution": source.settings.attribution or "",
        "grid": WEB_MERCATOR,
        "tiles": with_key(f"{base}/{{z}}/{{x}}/{{y}}.webp", request),
        "png_tiles": with_key(f"{base}/{{z}}/{{x}}/{{y}}.png", request),
        "capabilities": with_key(f"{base}/WMTSCapabilities.xml", request),
    }


def _place(
    source: Source, layer: Layer, zoom: float | None, lon: float | None, lat: float | None
) -> dict[str, float | str]:
    """Zooms, sizes, bounds and the view that the map opens at: the middle, where detail begins."""
    west, south, east, north = geographic_bounds(source)
    south, north = max(south, -MERCATOR_LATITUDE), min(north, MERCATOR_LATITUDE)
    middle, _ = geographic_centre(source)
    deepest = layer.max_zoom + ENLARGED_ZOOMS
    first = min(layer.native_zoom + 1, layer.max_zoom)
    opened = min(first if zoom is None else round(zoom, 2), deepest)
    finest = metres(layer.ground.pixel_metres(layer.max_zoom))
    return {
        "native_zoom": layer.native_zoom,
        "imagery_size": metres(layer.ground.imagery_metres),
        "deeper": REPEATED if layer.nearest else SYNTHESISED.format(finest=finest),
        "max_zoom": layer.max_zoom,
        "map_zoom": deepest,
        "zoom": opened,
        "whole_zoom": round(opened),
        "west": round(west, DIGITS),
        "south": round(south, DIGITS),
        "east": round(east, DIGITS),
        "north": round(north, DIGITS),
        "lon": round(middle if lon is None else lon, DIGITS),
        "lat": round((south + north) / 2 if lat is None else lat, DIGITS),
    }
