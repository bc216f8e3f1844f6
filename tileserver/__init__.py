"""The tile server: requests in, tiles out; the only package that knows engine and cache.

    middleware          turns, keys, bounds, figures, logs: before any route
    route (factory)     path -> source, grid, tile, format, mode, rendering; 404 and 422 here
    key (renderer)      fingerprint + z/x/y + format -> strong ETag; If-None-Match ends here
    store (cache)       memory -> disk -> Redis -> object store (tiers); a hit ends here
    single flight       one computation a key, in the process and in the cluster
    readers             threads of each source: what drawing will need is read here
    scheduler           bounded by the deadline, newest first, neighbours merged into one window
    pyramid (engine)    native: 2x2 means of the source; deeper: window evaluation
    rendering, encoding bands, rescaling, colours; PNG to GeoTIFF; provenance in headers

settings, catalogue, watch, grid, source, aligned, filling: what is served and how it is read.
locating, listings, virtual, virtual_file, remote, upstream: where rasters come from.
origin, members, raster, handles: one version of a raster, and open handles to it.
tile_request, tile_pixels, versions: what a tile is. departure: clients that leave.
middleware, observation, guard, access, turns; metrics, logs, health, serving: operation.
tilejson, wmts, ogc, coverage, pages, public_url: what clients read. limits, parameters: bounds.
reader: rio-tiler's reader for titiler's own routes. app, cli, configuration: assembly, commands.
cache_commands, purging, exporting, archives: what is kept, what goes, what is taken along.
prerendering, area: tiles made before anybody asks. upscaling, mosaic: whole rasters.
training, evaluating: checkpoints made and judged. checkpoints: those that ship.
superresolved: the tiles for other titiler apps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tileserver.superresolved import SuperResolvedReader

__all__ = ["SuperResolvedReader"]


def __getattr__(name: str) -> object:
    # Not with the package, which the command line imports before it knows that it needs torch.
    if name == "SuperResolvedReader":
        from tileserver.superresolved import SuperResolvedReader

        return SuperResolvedReader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
