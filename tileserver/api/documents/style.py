"""A MapLibre style of a source: /{source}/style.json, one raster layer on nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from tileserver.api.documents.tilejson import TileRoute, answer_tilejson
from tileserver.api.tile_parameters import StyleOptions
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.layers import Source
from tileserver.grid import WEB_MERCATOR

Json = dict[str, Any]
STYLE_VERSION = 8
OF_TILES = ("tiles", "tileSize", "scheme", "minzoom", "maxzoom", "bounds", "attribution")
"""Members of a TileJSON that a source of a style has, too."""


def add_style(router: APIRouter, catalogue: Catalogue, path_dependency: Callable[..., Any]) -> None:
    """Register the style."""

    @router.get("/style.json")
    def style(
        request: Request, options: StyleOptions, source: Source = Depends(path_dependency)
    ) -> Json:
        """A style of the MapLibre style specification, for maps that show this source alone."""
        tiles = TileRoute("xyz_tile", WEB_MERCATOR, names_grid=False)
        return style_document(source, answer_tilejson(request, catalogue, source, tiles, options))


def style_document(source: Source, tilejson: Json) -> Json:
    """The style that shows the tiles of a source's TileJSON; it opens where detail begins."""
    layer = source.layer(WEB_MERCATOR)
    lon, lat, zoom = source.settings.view or (
        *tilejson["center"][:2],
        min(layer.native_zoom + 1, layer.max_zoom),
    )
    raster = {name: tilejson[name] for name in OF_TILES if name in tilejson}
    shown: Json = {"id": source.id, "type": "raster", "source": source.id}
    if layer.nearest is not None:
        shown["paint"] = {"raster-resampling": "nearest"}
    return {
        "version": STYLE_VERSION,
        "name": source.title,
        "center": [lon, lat],
        "zoom": zoom - 1,  # MapLibre counts zooms of 512 px tiles
        "sources": {source.id: {"type": "raster", **raster}},
        "layers": [shown],
        "metadata": {"overzoom": tilejson["overzoom"]},
    }
