"""The tile server: HTTP and maps; the only package that imports engine and cache.

The way of a tile, GET /{source}/{z}/{x}/{y}.{format}:

    middleware   correlation id, metrics, log, size limits, API keys, slots by client
    api          the route: parses and checks the request; 304, 404, 422
    tiles        key -> store -> single flight -> read -> draw -> encode
                   key: fingerprint + z/x/y + format, the ETag; store: the tiers of cache, where
                   a PNG serves every image format (tile_store)
                   read: all source pixels, in threads (imagery); draw: queue, then engine.pictures
    api          the answer: provenance headers; the interpolated tile where drawing comes too late
                 (fallback); or an error (middleware.error_handlers)

Where to change what:

    a tile's encoding                 tiles/encoding: raise ENCODING where the bytes change (all
                                      tiles are then made anew); a new format also belongs into the
                                      FORMATS that documents offer: api/documents/tile_links,
                                      api/maps/wms_capabilities, offline/archives. What upscale
                                      writes: offline/upscaling/compression. Bands, rescaling,
                                      colours: tiles/rendering
    a route                           api/ (its docstring lists the modules): api/factory registers
                                      all of a source's; its topic: api/documents/openapi. At the
                                      root: app, and its name in settings/sources.SERVER_PAGES
    maps of any area                  tiles/maps/: fitting, mosaic; their routes: api/maps/
    a setting                         settings/, with a description; then write deploy/overzoom.yaml
                                      (check-config --annotated > it) and overzoom.schema.json
                                      (--schema > it) anew. A path also needs reading._from_yaml.
                                      What changes pixels goes into a fingerprint, else old tiles
                                      are served from caches: Catalogue.fingerprint_of (drawing) or
                                      Source.fingerprint in catalogue/layers (reading; READING where
                                      the code changes)
    a kind of source                  rasters/locating: from a path to an origin (virtual_file and
                                      upstream: those that describe rasters); what has a setting of
                                      its own: settings/sources. Files and objects, how a change of
                                      them is noticed: origins/. Kinds are listed in the setting's
                                      description and in the README
    the rule of the native zoom       grid: NATIVE_PIXEL_SHARE; pixels measured: rasters/footprint
    a raster's description            rasters/: bands, range, extent, pixel sizes
    how its pixels are read           imagery/: warping, filling, overviews, handle pool
    sources by id, their versions     catalogue/: catalogue, layers, watch
    access, limits, logs              middleware/ (stack shows the order)
    metrics                           metrics (counters), gauges (read at scrape time), totals (of
                                      several workers)
    cache tiers                       stores, from settings; the tiers themselves: package cache,
                                      their circuit breaker: cache.breaker
    start-up, shutdown, health        app, assembly, process/; several workers: cli/serving,
                                      process/supervisor
    commands                          cli/ (options), offline/ (without a server), lab/ (training,
                                      evaluation)
    the viewer                        viewer/: index.html and src/ (JavaScript,
                                      built into vendor/ by make install); labels stand where they
                                      are shown. /, /viewer.json: api/documents/viewer; map.html,
                                      api.html: api/documents/pages
    errors and status codes           errors
    private parts of libraries        library_internals
    what Python imports from here     reader: SuperResolvedReader, a reader for titiler apps and
                                      scripts; offline/upscaling/arrays: upscale, estimate_error

Imports go downward only, in the order of the contracts in pyproject.toml:

    cli > app, offline, lab > api, assembly, reader > tiles, process > catalogue > imagery
    > rasters > origins, stores, middleware > settings, grid, metrics, checkpoints > errors,
    gauges, library_internals, totals
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tileserver.offline.upscaling.arrays import estimate_error, upscale
    from tileserver.reader import SuperResolvedReader

__all__ = ["SuperResolvedReader", "estimate_error", "upscale"]

_MODULES = {
    "SuperResolvedReader": "tileserver.reader",
    "estimate_error": "tileserver.offline.upscaling.arrays",
    "upscale": "tileserver.offline.upscaling.arrays",
}


def __getattr__(name: str) -> object:
    # Not with the package, which the command line imports before it knows that it needs torch.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
