"""TileJSON 3.0 of a source: what is served, and which of it is native.

Sizes are of pixels on the ground in the middle of the source. Those of a zoom's tiles are
native_pixel_metres / 2 ** (zoom - native_maxzoom); past full_resolution_zoom, the first that holds
all of the file's resolution, they are finer than the file's.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from engine.pictures.samples import Sample
from tileserver.api.tile_parameters import Asked
from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.coverage import geographic_bounds, geographic_centre
from tileserver.catalogue.layers import Layer, Source
from tileserver.errors import OutOfRange
from tileserver.middleware.api_keys import grant_of, links_with_key
from tileserver.tiles.rendering import Rendering, query_of
from tileserver.tiles.request import Mode
from tileserver.tiles.service import Renderer
from tileserver.tiles.versions import version


def tilejson_document(
    renderer: Renderer, source: Source, grid_id: str, url: str, asked: Asked
) -> dict[str, Any]:
    """The TileJSON of a source on a grid, for tiles of a URL template.

    The template carries the version of the tiles, so that clients may keep them for good.
    """
    layer, catalogue = source.layer(grid_id), renderer.catalogue
    rendering, format, scale, mode, noise_seed, detail = asked
    renderer.check(source, layer, mode, rendering, format, noise_seed, detail)
    tms, deepest = layer.grid.tms, layer.max_zoom - (scale - 1)
    if deepest < tms.minzoom:
        raise OutOfRange("tilesize", "256: the deepest zoom of larger tiles is not on this grid")
    shown = None if layer.nearest else layer.samples.sample(noise_seed, detail)
    made_of = version(catalogue, source, shown)
    minzoom = min(layer.least_zoom, deepest)
    if mode is Mode.uncertainty:
        minzoom = layer.native_zoom + 1 - (scale - 1)
    query = _query(layer, mode, scale, rendering, shown)
    document: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": source.title,
        "scheme": "xyz",
        "tiles": [f"{url}?{urlencode([*query, ('v', made_of)])}"],
        "minzoom": minzoom,
        "maxzoom": deepest,
        "bounds": list(geographic_bounds(source)),
        "center": [
            *geographic_centre(source),
            min(max(layer.native_zoom, minzoom), deepest),
        ],
        "overzoom": {
            "native_maxzoom": min(layer.native_zoom - (scale - 1), deepest),
            "full_resolution_zoom": layer.ground.full_resolution_zoom - (scale - 1),
            **layer.ground.document(),
            "synthesised": shown is not None,
            **({} if shown is None else _made_by(catalogue, layer, shown)),
            "fingerprint": made_of,
            "reference": source.settings.reference,
        },
    }
    if source.settings.attribution:
        document["attribution"] = source.settings.attribution
    if source.settings.licence:
        document["overzoom"]["licence"] = source.settings.licence
    return document


def _made_by(catalogue: Catalogue, layer: Layer, shown: Sample) -> dict[str, Any]:
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


def for_client(document: dict[str, Any], request: Request) -> dict[str, Any]:
    """The document as a client may see it: its key in the links, no id that it must not know."""
    about = document["overzoom"]
    if about["reference"] and not grant_of(request.scope).allows(about["reference"]):
        about["reference"] = None
    return links_with_key(document, request)


def _query(
    layer: Layer, mode: Mode, scale: int, rendering: Rendering, sample: Sample | None
) -> list[tuple[str, str]]:
    """What the tiles are asked for with; what is the default is left out."""
    query = [("mode", str(mode))] if mode is Mode.interpolated else []
    if sample is not None and sample.noise_seed != layer.samples.noise_seeds[0]:
        query.append(("noise_seed", str(sample.noise_seed)))
    if sample is not None and sample.detail != layer.samples.detail:
        query.append(("detail", f"{sample.detail:g}"))
    if scale > 1:
        query.append(("tilesize", str(256 * scale)))
    return [*query, *query_of(rendering)]
