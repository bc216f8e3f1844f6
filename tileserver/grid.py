"""Tile matrix sets as grids of absolute pixels, one per zoom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isfinite
from typing import Any

import morecantile
from affine import Affine
from morecantile import Tile, TileMatrixSet
from morecantile.defaults import TileMatrixSets
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.warp import transform, transform_bounds

from engine.window import Window
from tileserver.errors import OutsideGrid, UnknownGrid, UnsupportedGrid

TILE_PX = 256
WEB_MERCATOR = "WebMercatorQuad"
NATIVE_PIXEL_SHARE = 0.5**0.5
"""A zoom counts as native where its pixel is no smaller than this share of the source's: the
nearest zoom is. The next one is drawn, which would replace measured detail where that is nearer.
The harbour at 0.40 m, its 0.30 m zoom beside the truth: drawn 33.0 dB, as the native zoom 34.8 dB.
Where the next zoom is further away, drawing is nearer to the truth than the file read there
(0.50 m: 32.3 and 31.5 dB), and nearer to the file."""


@dataclass(frozen=True)
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

    def whole(self, zoom: int) -> Window:
        """All pixels of a zoom that are tiled."""
        beyond = max(0, zoom - int(self.tms.maxzoom))
        matrix = self.tms.matrix(zoom - beyond)
        side = TILE_PX * 2**beyond
        return Window(0, 0, matrix.matrixHeight * side, matrix.matrixWidth * side)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top of what its first zoom has tiles of: of all, or more."""
        zoom = int(self.tms.minzoom)
        place, whole = self.transform(zoom, self.whole(zoom)), self.whole(zoom)
        right, bottom = place * (whole.width, whole.height)
        return place.c, float(bottom), float(right), place.f

    def contains(self, x: NDArray[Any], y: NDArray[Any]) -> bool:
        """Whether it has tiles at all of these places in its CRS; infinite ones are none."""
        left, bottom, right, top = self.bounds
        slack = 1e-6 * (right - left)
        inside = (abs(x - (left + right) / 2) <= (right - left) / 2 + slack) & (
            abs(y - (bottom + top) / 2) <= (top - bottom) / 2 + slack
        )
        return bool(inside.all())

    @cached_property
    def goes_round(self) -> bool:
        """Whether its columns are meridians, and its last one meets its first at 180 degrees."""
        left, _, right, _ = self.bounds
        near = 180 - 1e-9
        crs = self.tms.rasterio_geographic_crs
        xs, _ = transform(crs, self.crs, [-near, near] * 2, [0.0, 0.0, 40.0, 40.0])
        slack = 1e-6 * (right - left)
        return all(abs(x - edge) < slack for x, edge in zip(xs, (left, right) * 2, strict=True))

    def bounds_of_degrees(
        self, west: float, south: float, east: float, north: float
    ) -> tuple[float, float, float, float]:
        """A box of degrees on a grid that goes round; it may go on past 180 degrees."""
        left, _, right, _ = self.bounds
        limits = self.tms.bbox
        lats = [min(max(lat, limits.bottom), limits.top) for lat in (south, north)]
        _, (low, high) = transform(self.tms.rasterio_geographic_crs, self.crs, [0.0, 0.0], lats)
        degree = (right - left) / 360
        return left + (west + 180) * degree, low, left + (east + 180) * degree, high

    def zoom_of_pixel(self, side: float) -> int:
        """The zoom whose pixel is nearest in size to one of a side in units of the CRS."""
        native = self.tms.minzoom
        for zoom in range(self.tms.minzoom, self.tms.maxzoom + 1):
            if self.pixel_size(zoom) >= NATIVE_PIXEL_SHARE * side:
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
    copies = {name: sets.get(name) for name in sets.list()}
    return {name: Grid(tms) for name, tms in copies.items() if doubles(tms)}


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
