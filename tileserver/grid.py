"""Tile matrix sets as grids of absolute pixels, one a zoom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

import morecantile
from affine import Affine
from morecantile import Tile, TileMatrixSet
from morecantile.defaults import TileMatrixSets
from rasterio.crs import CRS
from rasterio.warp import transform, transform_bounds

from engine.window import Window
from tileserver.errors import OutsideGrid, UnknownGrid, UnsupportedGrid

TILE_PX = 256
WEB_MERCATOR = "WebMercatorQuad"
FINER = 0.99
"""A zoom still counts as native where its pixel is this much smaller than the source's: sources
made on a zoom's own grid differ from it by rounding."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixel grids of a tile matrix set whose matrices double from zoom to zoom."""

    tms: TileMatrixSet

    @property
    def id(self) -> str:
        return str(self.tms.id)

    @property
    def crs(self) -> CRS:
        return self.tms.rasterio_crs

    def pixel_size(self, zoom: int) -> float:
        """The side of a pixel in units of the CRS (OGC 17-083r4: a matrix's cellSize).

        Also of the zoom after the grid's last, which sources as fine as that are read on.
        """
        beyond = max(0, zoom - self.tms.maxzoom)
        return float(self.tms.matrix(zoom - beyond).cellSize / 2**beyond)

    def origin(self, zoom: int) -> tuple[float, float]:
        """x and y of the upper left corner of pixel (0, 0)."""
        x, y = self.tms._matrix_origin(self.tms.matrix(min(zoom, self.tms.maxzoom)))
        return float(x), float(y)

    def transform(self, zoom: int, window: Window) -> Affine:
        """From a window's own pixels to the CRS."""
        size, (x, y) = self.pixel_size(zoom), self.origin(zoom)
        return Affine(size, 0, x + window.col * size, 0, -size, y - window.row * size)

    def tile_window(self, tile: Tile) -> Window:
        """The absolute pixels of a tile at its zoom."""
        return Window(tile.y * TILE_PX, tile.x * TILE_PX, TILE_PX, TILE_PX)

    def window_of_bounds(self, bounds: tuple[float, float, float, float], zoom: int) -> Window:
        """The smallest window that holds bounds (left, bottom, right, top) in the grid's CRS.

        Raises OutsideGrid where the grid's projection does not reach them.
        """
        if not all(map(isfinite, bounds)):
            raise OutsideGrid
        size, (x, y) = self.pixel_size(zoom), self.origin(zoom)
        left, bottom, right, top = bounds
        row, col = int((y - top) // size), int((left - x) // size)
        height = -int((bottom - y) // size) - row
        width = -int((x - right) // size) - col
        return Window(row, col, max(1, height), max(1, width))

    def native_zoom(
        self, crs: CRS, width: int, height: int, bounds: tuple[float, float, float, float]
    ) -> int:
        """The deepest zoom whose pixel is not smaller than the source's."""
        left, bottom, right, top = bounds
        x, y = (left + right) / 2, (bottom + top) / 2
        east, south = (right - left) / width, (bottom - top) / height
        xs, ys = transform(crs, self.crs, [x, x + east, x], [y, y, y + south])
        # The square root of a pixel's area, where the raster has its middle: over a whole raster
        # that reaches the poles or the antimeridian there is no one pixel size.
        area = (xs[1] - xs[0]) * (ys[2] - ys[0]) - (xs[2] - xs[0]) * (ys[1] - ys[0])
        native = self.tms.minzoom
        for zoom in range(self.tms.minzoom, self.tms.maxzoom + 1):
            if self.pixel_size(zoom) >= FINER * abs(area) ** 0.5:
                native = zoom
        return int(native)

    def bounds_of(
        self, crs: CRS, bounds: tuple[float, float, float, float]
    ) -> tuple[float, float, float, float]:
        """A source's bounds in the grid's CRS; its edges are followed, not only its corners."""
        left, bottom, right, top = transform_bounds(crs, self.crs, *bounds, densify_pts=21)
        return left, bottom, right, top


def doubling_grids(sets: TileMatrixSets) -> dict[str, Grid]:
    """The grids on which zooms can be super-resolved from one another, by identifier."""
    return {name: Grid(sets.get(name)) for name in sets.list() if doubles(sets.get(name))}


def grid_of(grids: Mapping[str, Grid], id: str) -> Grid:
    """One of these grids; raises UnknownGrid, or UnsupportedGrid for one that does not double."""
    if id not in grids:
        raise UnsupportedGrid if id in morecantile.tms.list() else UnknownGrid
    return grids[id]


def doubles(tms: TileMatrixSet) -> bool:
    """Whether every matrix halves the pixel of the last around one origin, in 256 px tiles."""
    matrices = list(tms.tileMatrices)
    return (
        all(m.tileWidth == m.tileHeight == TILE_PX for m in matrices)
        and all(m.cornerOfOrigin == "topLeft" and not m.variableMatrixWidths for m in matrices)
        and len({tuple(m.pointOfOrigin) for m in matrices}) == 1
        and all(abs(ratio - 2) < 1e-6 for ratio in _ratios(m.cellSize for m in matrices))
    )


def _ratios(sizes: Iterable[float]) -> Iterable[float]:
    return (larger / smaller for larger, smaller in pairwise(sizes))
