"""Where a raster lies on the Earth and on a grid, and how large its pixels are there.

Longitudes are followed along the raster's outline, from point to point: what touches 180 degrees
ends there, what crosses them goes on to 190, and what goes round a pole has all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.warp import transform

from engine.window import Window
from tileserver.errors import OutsideGrid
from tileserver.grid import Grid
from tileserver.library_internals import CPLE_BaseError
from tileserver.rasters.longitudes import HALF, HALF_TURN, TURN
from tileserver.rasters.raster import Raster

WGS84 = CRS.from_epsg(4326)
POLE = 90.0
SIDE_POINTS = 23
"""Points along each side of the outline, corners included: as many as rio-tiler takes."""
SAMPLED = 9
"""Places along rows and along columns at which the size of a pixel is measured."""
FINE_SHARE = 0.25
"""The share of a raster whose pixels may be finer than what counts as its pixel: distortion that
only some corner has decides nothing, and little is lost where a projection stretches."""
STRETCHED = 4
"""Beyond this ratio of its sides a projected raster's pixel is as large as the shorter one: degrees
near a pole would lose most of what is there. Rasters in degrees are stretched themselves."""
NEAR_POLE = 1e-9
"""Degrees: nearer to a pole a longitude says nothing."""

Bounds = tuple[float, float, float, float]
Values = NDArray[np.float64]


class Extent(NamedTuple):
    """A part of the Earth in degrees: west is in [-180, 180), east past 180 where it crosses."""

    west: float
    south: float
    east: float
    north: float

    @property
    def crosses(self) -> bool:
        """Whether it lies on both sides of 180 degrees."""
        return self.east > HALF_TURN

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north within -180 to 180: all longitudes where it crosses.

        TileJSON 3.0 and many readers of other documents know no box that wraps around.
        """
        if self.crosses:
            return -HALF_TURN, self.south, HALF_TURN, self.north
        return self.west, self.south, self.east, self.north

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude, within 180 degrees, and latitude of the middle."""
        lon = (self.west + self.east) / 2
        return lon - TURN * (lon >= HALF_TURN), (self.south + self.north) / 2


def geographic_extent(raster: Raster, crs: CRS = WGS84) -> Extent:
    """What a raster covers, in degrees of a geographic CRS.

    Raises OutsideGrid for a picture of a whole side of the Earth, whose edges lie in space.
    """
    lons, lats = _finite(*project(raster, crs, *_outline(raster)))
    if not raster.crs.is_geographic:
        apart = abs(lats) < POLE - NEAR_POLE
        lons = lons[apart] if apart.any() else lons
    lons, south, north = np.unwrap(lons, period=TURN), float(lats.min()), float(lats.max())
    if abs(lons[-1] - lons[0]) > HALF_TURN:  # once around a pole
        poles = [*_poles_within(raster, crs)] or [POLE if lats.mean() > 0 else -POLE]
        return Extent(-HALF_TURN, min(south, *poles), HALF_TURN, max(north, *poles))
    west, width = float(lons.min()), float(lons.max() - lons.min())
    hair = HALF * width / max(raster.height, raster.width)  # at most: what sticks out is cut off
    west -= TURN * ((west + HALF_TURN + hair) // TURN)
    if west + width <= HALF_TURN + hair:
        return Extent(max(west, -HALF_TURN), south, min(west + width, HALF_TURN), north)
    if width > HALF_TURN:  # it nearly meets itself on the other side
        return Extent(-HALF_TURN, south, HALF_TURN, north)
    return Extent(west, south, west + width, north)


def crosses(raster: Raster, grid: Grid) -> bool:
    """Whether a raster goes on past the last column of a grid, at its first one."""
    return grid.goes_round and geographic_extent(raster, grid.tms.rasterio_geographic_crs).crosses


def window_on(raster: Raster, grid: Grid, zoom: int) -> Window:
    """The pixels of a zoom that a raster touches: past the last column where it crosses that.

    Raises OutsideGrid where the grid does not reach it.
    """
    extent = _extent_on(raster, grid)
    bounds, limits = _bounds_on(raster, grid, extent), grid.bounds
    bottom, top = max(bounds[1], limits[1]), min(bounds[3], limits[3])
    left, right = max(bounds[0], limits[0]), bounds[2]
    if extent is None or not (grid.goes_round and extent.crosses):
        right = min(right, limits[2])
    if bottom >= top or left >= right:
        raise OutsideGrid
    return grid.window_of_bounds((left, bottom, right, top), zoom)


def native_zoom(raster: Raster, grid: Grid) -> int:
    """The zoom whose pixel is nearest in size to the raster's, where that lies on the grid.

    A pixel's size is the square root of its area, or its shorter side where the grid stretches
    it much; a quarter of the raster may have smaller ones.
    """
    sizes, inside = _pixel_sizes(raster, grid)
    measured = sizes[inside] if inside.any() else sizes[np.isfinite(sizes)]
    if not measured.size:
        return int(grid.tms.minzoom)
    return grid.zoom_of_pixel(float(np.quantile(measured, FINE_SHARE, method="lower")))


def project(raster: Raster, crs: CRS, cols: Values, rows: Values) -> tuple[Values, Values]:
    """Places in a raster's pixels as x and y of a CRS; infinite where that does not reach them."""
    place = raster.transform
    x = place.a * cols + place.b * rows + place.c
    y = place.d * cols + place.e * rows + place.f
    if raster.crs.is_geographic:
        y = y.clip(-POLE, POLE)  # grids whose pixels lie on the poles stick out by half of one
    return reproject(raster.crs, crs, x, y)


def reproject(
    of: CRS, to: CRS, x: Values | Sequence[float], y: Values | Sequence[float]
) -> tuple[Values, Values]:
    """Places of one CRS in another; infinite where that does not reach them."""
    if of == to:
        return np.asarray(x, np.float64), np.asarray(y, np.float64)
    try:
        xs, ys = transform(of, to, x, y)
    except (RasterioError, CPLE_BaseError):
        xs = ys = np.full(len(x), np.inf)
    return np.asarray(xs, np.float64), np.asarray(ys, np.float64)


def _pixel_sizes(raster: Raster, grid: Grid) -> tuple[Values, NDArray[np.bool_]]:
    """The sizes of pixels all over a raster in units of the grid, and which of them lie on it."""
    share = (np.arange(SAMPLED) + 0.5) / SAMPLED
    cols = np.tile(share * (raster.width - 1), SAMPLED)
    rows = np.repeat(share * (raster.height - 1), SAMPLED)
    x, y = project(raster, grid.crs, cols, rows)
    right_x, right_y = project(raster, grid.crs, cols + 1, rows)
    down_x, down_y = project(raster, grid.crs, cols, rows + 1)
    left, bottom, right, top = grid.bounds
    with np.errstate(invalid="ignore", over="ignore"):
        sides = np.array([[right_x - x, right_y - y], [down_x - x, down_y - y]])
        if grid.goes_round:
            sides[:, 0] -= np.rint(sides[:, 0] / (right - left)) * (right - left)
        area = abs(sides[0, 0] * sides[1, 1] - sides[1, 0] * sides[0, 1])
        # The shorter and the longer axis of what the grid makes of a circle: their product is the
        # area, the sum of their squares that of the sides'.
        squares = (sides**2).sum(axis=(0, 1))
        longer = np.sqrt((squares + np.sqrt((squares**2 - 4 * area**2).clip(0))) / 2)
        shorter = area / longer
        stretched = (longer > STRETCHED * shorter) & (not raster.crs.is_geographic)
        sizes = np.where(stretched, shorter, np.sqrt(area))
        inside = (x >= left) & (x <= right) & (y >= bottom) & (y <= top)
    known = np.isfinite(sizes) & (area > 0)
    return np.where(known, sizes, np.inf), known & inside


def _extent_on(raster: Raster, grid: Grid) -> Extent | None:
    """A raster's extent in the grid's degrees; None where its place there does not depend on it."""
    if grid.goes_round or raster.crs.is_geographic:
        return geographic_extent(raster, grid.tms.rasterio_geographic_crs)
    return None


def _bounds_on(raster: Raster, grid: Grid, extent: Extent | None) -> Bounds:
    """A raster's bounds in the grid's CRS: its edges are followed."""
    if raster.crs == grid.crs:
        return raster.bounds
    if extent is not None and grid.goes_round:
        return grid.bounds_of_degrees(*extent)
    if extent is not None and extent.east - extent.west > HALF_TURN:
        # It goes round the Earth, and its edges do not go round what the grid shows of it.
        limits = grid.tms.bbox
        if extent.north <= limits.bottom or extent.south >= limits.top:
            raise OutsideGrid
        return grid.bounds
    xs, ys = _finite(*project(raster, grid.crs, *_outline(raster)))
    return float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())


def _finite(xs: Values, ys: Values) -> tuple[Values, Values]:
    """The places that a CRS reaches; raises OutsideGrid where it reaches none."""
    reached = np.isfinite(xs) & np.isfinite(ys)
    if not reached.any():
        raise OutsideGrid
    return xs[reached], ys[reached]


def _outline(raster: Raster) -> tuple[Values, Values]:
    """Columns and rows of points once around a raster, the first one twice."""
    along = np.linspace(0, 1, SIDE_POINTS)
    forth, back = along[:-1], along[:0:-1]
    none, all = np.zeros(SIDE_POINTS - 1), np.ones(SIDE_POINTS - 1)
    cols = np.concatenate((forth, all, back, none, [0])) * raster.width
    rows = np.concatenate((none, forth, all, back, [0])) * raster.height
    return cols, rows


def _poles_within(raster: Raster, crs: CRS) -> Iterator[float]:
    """The latitudes of the poles that a raster holds."""
    xs, ys = reproject(crs, raster.crs, [0.0, 0.0], [POLE, -POLE])
    for lat, x, y in zip((POLE, -POLE), xs, ys, strict=True):
        if np.isfinite((x, y)).all():
            col, row = ~raster.transform * (float(x), float(y))
            if 0 <= col <= raster.width and 0 <= row <= raster.height:
                yield lat
