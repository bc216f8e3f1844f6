"""How large pixels are on the ground: those of a file, and those of a grid's zooms."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import ceil, log2, sqrt

import numpy as np

from tileserver.errors import OutsideGrid
from tileserver.grid import Grid
from tileserver.rasters.footprint import SAMPLED, WGS84, Values, project, reproject
from tileserver.rasters.raster import Raster

EQUATOR_METRES = 6_378_137.0
"""WGS 84: the radius of the equator."""
SQUARED_ECCENTRICITY = 6.69437999014e-3
HELD = 1.1
"""A zoom still holds the file's resolution where its pixel is this much larger than the file's:
less than a tenth is not seen."""
DIGITS = 4
"""Of sizes and ratios in documents."""


@dataclass(frozen=True, slots=True)
class GroundSizes:
    """Sides of pixels in metres on the ground at one place: of squares as large as the pixels."""

    imagery_metres: float
    native_metres: float
    native_zoom: int

    def pixel_metres(self, zoom: int) -> float:
        """The side of a zoom's pixel."""
        return self.native_metres * 2.0 ** (self.native_zoom - zoom)

    def ratio(self, zoom: int) -> float:
        """How many pixels of a zoom lie along one of the file's; below 1 they are coarser."""
        return self.imagery_metres / self.pixel_metres(zoom)

    def document(self) -> dict[str, float]:
        """The sizes as documents give them."""
        return {
            "imagery_pixel_metres": round_size(self.imagery_metres),
            "native_pixel_metres": round_size(self.native_metres),
        }

    @property
    def full_resolution_zoom(self) -> int:
        """The first zoom that holds the file's resolution; it may lie past the served ones."""
        coarser = self.native_metres / (HELD * self.imagery_metres)
        return self.native_zoom + ceil(log2(coarser))


def ground_sizes(raster: Raster, grid: Grid, native_zoom: int) -> GroundSizes:
    """The sizes in the middle of a raster, or as near to it as the grid shows it.

    Raises OutsideGrid where the grid shows none of it.
    """
    share = (np.arange(SAMPLED) + 0.5) / SAMPLED
    rows, cols = np.meshgrid(share, share, indexing="ij")
    for place in np.argsort((rows.ravel() - 0.5) ** 2 + (cols.ravel() - 0.5) ** 2, kind="stable"):
        row, col = rows.flat[place] * raster.height, cols.flat[place] * raster.width
        with suppress(OutsideGrid):
            return ground_sizes_at(raster, grid, native_zoom, float(row), float(col))
    raise OutsideGrid


def ground_sizes_at(
    raster: Raster, grid: Grid, native_zoom: int, row: float, col: float
) -> GroundSizes:
    """The sizes at a place of a raster, in its own pixels.

    Raises OutsideGrid where that is no place on Earth, or none on the grid.
    """
    cols, rows = col + np.array([0.0, 1.0, 0.0]), row + np.array([0.0, 0.0, 1.0])
    x, y = project(raster, grid.crs, cols[:1], rows[:1])
    if not grid.bounds[1] <= y[0] <= grid.bounds[3]:
        raise OutsideGrid
    step = grid.pixel_size(native_zoom)
    xs, ys = x + step * np.array([0.0, 1.0, 0.0]), y - step * np.array([0.0, 0.0, 1.0])
    return GroundSizes(
        _side_metres(*project(raster, WGS84, cols, rows)),
        _side_metres(*reproject(grid.crs, WGS84, xs, ys)),
        native_zoom,
    )


def _side_metres(lons: Values, lats: Values) -> float:
    """The side of a square as large as a pixel by three of its corners, the shared one first."""
    # Straight lines in space: nothing is special at a pole or at 180 degrees.
    with np.errstate(invalid="ignore"):  # what is infinite is no place
        lon, lat = np.radians(lons), np.radians(lats)
        radius = EQUATOR_METRES / np.sqrt(1 - SQUARED_ECCENTRICITY * np.sin(lat) ** 2)
        x, y = radius * np.cos(lat) * np.cos(lon), radius * np.cos(lat) * np.sin(lon)
        corners = np.stack((x, y, radius * (1 - SQUARED_ECCENTRICITY) * np.sin(lat)))
        right, down = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        area = float(np.linalg.norm(np.cross(right, down)))
    if not 0 < area < np.inf:
        raise OutsideGrid
    return sqrt(area)


def round_size(number: float) -> float:
    """A size or a ratio as documents give it."""
    return float(f"{number:.{DIGITS}g}")


def times(ratio: float) -> str:
    """A ratio in words, with one digit where it is not whole: "4.5", "2", "0.8"."""
    return f"{ratio:.1f}".removesuffix(".0")


def metres(size: float) -> str:
    """A size in words: "1.06 m", "0.13 m", "0.026 m", "30 m", "2.5 km"."""
    if size >= 1000:
        return f"{size / 1000:.3g} km"
    if size >= 10:
        return f"{size:.3g} m"
    return f"{size:.2f} m" if size >= 0.1 else f"{size:.2g} m"
