"""TileJSON 3.0 of a source: what is served, and which of it is native."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tileserver.catalogue import Source
from tileserver.errors import OutOfRange
from tileserver.reader import CatalogueReader
from tileserver.renderer import Renderer
from tileserver.rendering import Rendering, check, query_of
from tileserver.tile_request import Mode
from tileserver.versions import version


def tilejson_document(
    renderer: Renderer,
    source: Source,
    grid_id: str,
    url: str,
    mode: Mode,
    scale: int,
    rendering: Rendering,
) -> dict[str, Any]:
    """The TileJSON of a source on a grid, for tiles of a URL template.

    The template carries the version of the tiles, so that clients may keep them for good.
    """
    check(rendering, source.raster)
    layer, catalogue = source.layer(grid_id), renderer.catalogue
    tms, deepest = layer.grid.tms, layer.max_zoom - (scale - 1)
    if deepest < tms.minzoom:
        raise OutOfRange
    with CatalogueReader.of(source, layer.grid) as reader:
        west, south, east, north = reader.get_geographic_bounds(tms.rasterio_geographic_crs)
        minzoom = min(reader.minzoom, layer.native_zoom, deepest)
    query = [] if mode is Mode.super_resolved else [("mode", str(mode))]
    query += [("tilesize", str(256 * scale))] if scale > 1 else []
    query += [*query_of(rendering), ("v", version(catalogue, source, sampled=True))]
    document: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": source.title,
        "scheme": "xyz",
        "tiles": [f"{url}?{urlencode(query)}"],
        "minzoom": minzoom,
        "maxzoom": deepest,
        "bounds": [west, south, east, north],
        "center": [(west + east) / 2, (south + north) / 2, min(layer.native_zoom, deepest)],
        "overzoom": {
            "native_maxzoom": min(layer.native_zoom - (scale - 1), deepest),
            "checkpoint": catalogue.checkpoint.name,
            "checkpoint_fingerprint": catalogue.checkpoint.fingerprint,
            "steps": catalogue.settings.steps,
            "noise_seed": catalogue.settings.noise_seed,
            "reference": source.settings.reference,
        },
    }
    if source.settings.attribution:
        document["attribution"] = source.settings.attribution
    if source.settings.licence:
        document["overzoom"]["licence"] = source.settings.licence
    return document
