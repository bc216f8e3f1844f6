"""Small rasters that lie where a test wants them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from tests.support.tiles import WEB_MERCATOR
from tileserver.grid import Grid
from tileserver.rasters.inspection import inspect
from tileserver.rasters.raster import Raster

GRID = Grid(WEB_MERCATOR)
PX = 64


def raster_at(path: Path, crs: str, place: Affine) -> Raster:
    """A raster of 64 x 64 px whose upper left corner and pixels are those of place."""
    size = {"count": 1, "dtype": "uint8", "height": PX, "width": PX}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=place, **size) as out:
        out.write(np.full((1, PX, PX), 9, np.uint8))
    return inspect(path, None)
