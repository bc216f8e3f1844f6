"""The file's own pixel at a place, with its unchanged values."""

from __future__ import annotations

from math import floor
from typing import NamedTuple

import numpy as np
from rasterio.windows import Window

from tileserver.catalogue.layers import Source
from tileserver.rasters.footprint import WGS84, reproject
from tileserver.rasters.longitudes import HALF_TURN, TURN
from tileserver.rasters.raster import Raster
from tileserver.rasters.validity import read_valid

MERCATOR = {3857, 3395}
"""Projections that repeat along x with the Earth's circumference."""


class StoredPixel(NamedTuple):
    """A pixel of the file: its row, column and band values."""

    row: int
    col: int
    values: list[float | None]
    """None for nodata and NaN."""


def read_stored_pixel(source: Source, lon: float, lat: float) -> StoredPixel | None:
    """The file's pixel at a place in degrees; None outside the file.

    None also for a file that lies where control points or RPCs say: its pixels are read resampled.
    Raises SourceUnavailable where the raster cannot be read.
    """
    raster = source.raster
    place = _find(raster, lon, lat)
    if place is None or raster.to_stored is None:
        return None
    row, col = place
    window = Window(col, row, 1, 1)
    with source.handles.acquire_stored() as dataset:
        values = dataset.read(raster.indexes, window=window).reshape(-1).astype(float)
        valid = read_valid(dataset, raster.indexes, raster.alpha, window)
    known = np.isfinite(values) & valid.item()
    pairs = zip(values, known, strict=True)
    own_col, own_row = map(floor, raster.to_stored * (col + 0.5, row + 0.5))
    found = [float(value) if there else None for value, there in pairs]
    return StoredPixel(own_row, own_col, found)


def _find(raster: Raster, lon: float, lat: float) -> tuple[int, int] | None:
    """Row and column of the pixel at a place, also if the file counts longitudes past 180."""
    turns = np.array([0.0, TURN, -TURN])
    x, y = reproject(WGS84, raster.crs, [lon], [lat])
    xs, ys = np.repeat(x, 3), np.repeat(y, 3)
    if raster.crs.is_geographic:
        xs = xs + turns
    elif raster.crs.to_epsg() in MERCATOR:
        edges, _ = reproject(WGS84, raster.crs, [-HALF_TURN, HALF_TURN], [0.0, 0.0])
        xs = xs + turns / TURN * abs(edges[1] - edges[0])
    if not (np.isfinite(xs) & np.isfinite(ys)).all():
        return None
    for east, north in zip(xs, ys, strict=True):
        col, row = ~raster.transform * (float(east), float(north))
        if 0 <= row < raster.height and 0 <= col < raster.width:
            return floor(row), floor(col)
    return None
