"""Rasters anywhere on Earth whose values say where they lie, and what tiles of them should show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.warp import transform

DEGREES = CRS.from_epsg(4326)
LEVELS = 100.0
TURNS = {"EPSG:4326": 360.0, "EPSG:3857": 2 * 20_037_508.342789244}
"""What a turn of the Earth is in a CRS in which it is a length."""


@dataclass(frozen=True)
class Place:
    """Where a raster lies."""

    crs: str
    transform: Affine
    height: int = 200
    width: int = 200
    waves: float = 1.0
    """Waves of the pattern in a unit of the Earth's radius."""

    def values(self, lons: NDArray[Any], lats: NDArray[Any]) -> NDArray[np.float64]:
        """What three bands hold at places: one pattern on the globe, without a seam anywhere."""
        lon, lat = np.radians(lons), np.radians(lats)
        globe = np.stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))
        return 128 + LEVELS * np.sin(2 * np.pi * self.waves * globe)

    def depth_px(self, lons: NDArray[Any], lats: NDArray[Any]) -> NDArray[np.float64]:
        """How far inside its borders places lie, on any turn of the Earth; outside negative."""
        depth = np.full(lons.shape, -np.inf)
        xs, ys = (np.reshape(part, lons.shape) for part in _moved(DEGREES, self.crs, lons, lats))
        for turn in {turn * TURNS.get(self.crs, 0) for turn in (-1, 0, 1)}:
            cols, rows = _applied(~self.transform, xs + turn, ys)
            sides = (cols, self.width - cols, rows, self.height - rows)
            depth = np.maximum(depth, np.minimum.reduce(sides))
        return depth

    def write(self, path: Path, **options: Any) -> Path:
        """A GeoTIFF of the pattern."""
        cols, rows = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        xs, ys = _applied(self.transform, cols, rows)
        lons, lats = _moved(self.crs, DEGREES, xs, ys)
        levels = np.rint(self.values(lons, lats)).astype(np.uint8).reshape(3, *cols.shape)
        size = {"count": 3, "height": self.height, "width": self.width, "dtype": "uint8"}
        placed = {"crs": self.crs, "transform": self.transform, **options}
        with rasterio.open(path, "w", driver="GTiff", **size, **placed) as out:
            out.write(levels)
        return path


def _applied(
    matrix: Affine, first: NDArray[Any], second: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    a, b, c, d, e, f = matrix[:6]
    return a * first + b * second + c, d * first + e * second + f


def _moved(
    of: str | CRS, to: str | CRS, xs: NDArray[Any], ys: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Places in another CRS; degrees stay on the turn of the Earth where they are."""
    if CRS.from_user_input(of) == CRS.from_user_input(to):
        return xs, ys
    new_xs, new_ys = transform(of, to, xs.ravel(), ys.ravel())
    return np.reshape(new_xs, xs.shape), np.reshape(new_ys, ys.shape)
