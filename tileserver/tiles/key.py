"""The key of a tile: where the cache has it, and its ETag."""

from __future__ import annotations

from functools import lru_cache

from cache import TileKey
from cache.key import fingerprint
from tileserver.catalogue.catalogue import Catalogue
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.rendering import Rendering
from tileserver.tiles.request import TileRequest
from tileserver.tiles.tags import tile_tags
from tileserver.tiles.versions import version


def tile_key(catalogue: Catalogue, request: TileRequest) -> TileKey:
    """The tile's key: a function of the request alone, with nothing looked up."""
    options, tile = request.options, request.tile
    made_of = version(catalogue, request.source, request.sample)
    rendering = _rendering_digest(request.origin, options.scale, options.rendering)
    if options.format is ImageFormat.tif:
        rendering = fingerprint(rendering=rendering, tags=tile_tags(request))
    format = ImageFormat.jpg if options.format is ImageFormat.jpeg else options.format
    return TileKey(
        source=request.source.id,
        fingerprint=f"{made_of}-{rendering}",
        grid=request.layer.grid.id,
        zoom=tile.z,
        col=tile.x,
        row=tile.y,
        format=str(format),
    )


@lru_cache(256)
def _rendering_digest(origin: str, scale: int, rendering: Rendering) -> str:
    return fingerprint(origin=origin, scale=scale, rendering=rendering)
