"""Which members of a mosaic a window is read from: only their signatures matter for it."""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from engine.window import Window
from tileserver.errors import OutsideGrid
from tileserver.grid import Grid
from tileserver.rasters.raster import Raster

EVERYWHERE = (-(2**62), -(2**62), 2**62, 2**62)


class MosaicMembers:
    """The windows of one zoom that a mosaic's members cover; thread-safe."""

    def __init__(self, raster: Raster, grid: Grid, zoom: int) -> None:
        self.raster, self.grid, self.zoom = raster, grid, zoom
        self._places: NDArray[np.int64] | None = None
        self._lock = Lock()

    def find_members(self, window: Window) -> list[int] | None:
        """The numbers of the members that intersect a window of the zoom; None: unknown."""
        parts = self.raster.origin.parts
        if not parts:
            return None
        with self._lock:
            if self._places is None:  # lazily: projects every outline
                self._places = np.array([self._place(part.bounds) for part in parts], np.int64)
            top, left, bottom, right = self._places.T
        met = (top < window.bottom) & (bottom > window.row)
        met &= (left < window.right) & (right > window.col)
        return [member for number in np.flatnonzero(met) for member in parts[number].members]

    def _place(self, bounds: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
        """Top, left, bottom and right, in pixels."""
        try:
            outline = self.grid.bounds_of(self.raster.crs, bounds)
            place = self.grid.window_of_bounds(outline, self.zoom)
        except OutsideGrid:
            return EVERYWHERE
        return place.row, place.col, place.bottom, place.right
