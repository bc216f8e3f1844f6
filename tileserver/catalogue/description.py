"""A summary of a source: `overzoom info`."""

from __future__ import annotations

from typing import Any

from tileserver.catalogue.catalogue import Catalogue
from tileserver.catalogue.coverage import UNREACHED, geographic_bounds
from tileserver.catalogue.layers import Layer, Source
from tileserver.grid import WEB_MERCATOR
from tileserver.rasters.ground import round_size


def describe(catalogue: Catalogue, source: Source) -> dict[str, Any]:
    """Bounds (west, south, east, north in degrees), bands, zooms and fingerprints.

    Bounds, zooms and pixel sizes (metres on the ground) are None if web mercator does not cover
    the source.
    """
    raster = source.raster
    bounds, layer = _place(source)
    return {
        "id": source.id,
        "bounds": bounds,
        "crs": raster.crs.to_string(),
        "height": raster.height,
        "width": raster.width,
        "bands": len(raster.indexes),
        "dtype": raster.dtype,
        "range": list(raster.range),
        "range_origin": str(raster.range_origin),
        "resampling": "nearest neighbour" if raster.nearest else "super-resolution",
        "overviews": list(raster.overviews),
        "native_zoom": layer and layer.native_zoom,
        "full_resolution_zoom": layer and layer.ground.full_resolution_zoom,
        "served_zooms": layer and [0, layer.max_zoom],
        "pixel_metres": layer and _pixel_metres(layer),
        "fingerprint": source.fingerprint,
        "checkpoint": catalogue.checkpoint.name,
        "checkpoint_fingerprint": catalogue.checkpoint.fingerprint,
        "picture_fingerprint": catalogue.picture_fingerprint,
    }


def _pixel_metres(layer: Layer) -> dict[str, float]:
    """Ground sizes of a pixel: of the file, the native zoom and the deepest zoom."""
    ground = layer.ground
    return {
        "imagery": round_size(ground.imagery_metres),
        "native": round_size(ground.native_metres),
        "finest": round_size(ground.pixel_metres(layer.max_zoom)),
    }


def _place(source: Source) -> tuple[list[float] | None, Layer | None]:
    try:
        return list(geographic_bounds(source)), source.layer(WEB_MERCATOR)
    except UNREACHED:
        return None, None
