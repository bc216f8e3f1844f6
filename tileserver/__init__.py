"""The tile server: requests in, tiles out; the only package that knows engine and cache.

    middleware          turns, keys, bounds, figures, logs: before any route
    route (factory)     path -> source, grid, tile, format, mode, rendering, sample; 404, 422
    key (renderer)      fingerprint + z/x/y + format -> strong ETag; If-None-Match ends here
    store (cache)       memory -> disk -> Redis -> object store (tiers); a hit ends here
    single flight       one computation a key, in the process and in the cluster
    readers             threads with a share a source: what drawing will need is read here
    scheduler           bounded by the deadline, newest first, neighbours merged into one window
    pyramid (engine)    native: 2x2 means of the source; deeper: window evaluation
    rendering, encoding bands, rescaling, colours; PNG to GeoTIFF; provenance in headers

catalogue, layers, grid, footprint: sources by id, each as it is now, on the pixels of any grid.
tile_request, tile_parameters, tile_pixels, versions: what a tile is. answers: 304, tile, refusal.
uncertainty, deviation: how far pixels may be from the truth. inspecting: one pixel. departure: who
leaves, and how long a request may take.
reader, source_route: titiler's own routes, in threads of their source; limits, parameters: what
they may be asked for.
superresolved: the tiles for other titiler apps.
sources/: where rasters come from and how they are read. operation/: before any route, and around.
documents/: TileJSON, WMTS, OGC API Tiles, pages. keeping/: tiers, prerendering, purging, exports.
upscaling/: whole rasters. training, evaluating/: checkpoints made and judged; checkpoints:
those that ship. settings, configuration, app, cli: assembly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tileserver.reader import SuperResolvedReader

__all__ = ["SuperResolvedReader"]


def __getattr__(name: str) -> object:
    # Not with the package, which the command line imports before it knows that it needs torch.
    if name == "SuperResolvedReader":
        from tileserver.reader import SuperResolvedReader

        return SuperResolvedReader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
