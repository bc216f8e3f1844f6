"""The key of a tile: where the cache has it, and its ETag."""

from __future__ import annotations

from cache import TileKey
from cache.key import fingerprint
from tileserver.catalogue.catalogue import Catalogue
from tileserver.tiles.encoding import ImageFormat
from tileserver.tiles.request import TileRequest
from tileserver.tiles.versions import version


def tile_key(catalogue: Catalogue, request: TileRequest) -> TileKey:
    """The tile's key: a function of the request alone, with nothing looked up."""
    options, tile = request.options, request.tile
    made_of = version(catalogue, request.source, request.sample)
    rendering = fingerprint(origin=request.origin, scale=options.scale, rendering=options.rendering)
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
