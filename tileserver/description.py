"""What a source is, in words for people and programs: `overzoom info`."""

from __future__ import annotations

from typing import Any

from tileserver.catalogue import Catalogue, Source
from tileserver.grid import WEB_MERCATOR
from tileserver.reader import CatalogueReader


def describe(catalogue: Catalogue, source: Source) -> dict[str, Any]:
    """Bounds (west, south, east, north in degrees), bands, zooms and fingerprints."""
    raster, layer = source.raster, source.layer(WEB_MERCATOR)
    with CatalogueReader.of(source, layer.grid) as reader:
        bounds = reader.get_geographic_bounds(layer.grid.tms.rasterio_geographic_crs)
        overviews = reader.dataset.overviews(1)
    return {
        "id": source.id,
        "bounds": list(bounds),
        "crs": raster.crs.to_string(),
        "height": raster.height,
        "width": raster.width,
        "bands": len(raster.indexes),
        "dtype": raster.dtype,
        "range": list(raster.range),
        "overviews": overviews,
        "native_zoom": layer.native_zoom,
        "served_zooms": [0, layer.max_zoom],
        "fingerprint": source.fingerprint,
        "checkpoint": catalogue.checkpoint.name,
        "checkpoint_fingerprint": catalogue.checkpoint.fingerprint,
        "picture_fingerprint": catalogue.picture_fingerprint,
    }
