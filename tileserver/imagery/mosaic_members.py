"""Which members of a mosaic a window is read from: only their signatures matter for it."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from engine.window import Window
from tileserver.errors import OutsideGrid
from tileserver.grid import Grid
from tileserver.rasters.footprint import window_on
from tileserver.rasters.placement import corners
from tileserver.rasters.raster import Raster

EVERYWHERE = Window(-(2**61), -(2**61), 2**62, 2**62)


class MosaicMembers:
    """The windows of one zoom that a mosaic's members cover; thread-safe."""

    def __init__(self, raster: Raster, grid: Grid, zoom: int) -> None:
        self.raster, self.grid, self.zoom = raster, grid, zoom
        turn = grid.whole(zoom).width
        self._turns = (-turn, 0, turn) if grid.goes_round else (0,)
        """Columns from a window to others that show the same ground."""
        self._places: NDArray[np.int64] | None = None
        self._lock = Lock()

    def find_members(self, window: Window) -> list[int] | None:
        """The numbers of the members that intersect a window of the zoom; None: unknown."""
        parts = self.raster.origin.parts
        if not parts:
            return None
        with self._lock:
            if self._places is None:  # lazily: projects every outline
                places = (self._place(part.window) for part in parts)
                edges = [(one.row, one.col, one.bottom, one.right) for one in places]
                self._places = np.array(edges, np.int64)
            top, left, bottom, right = self._places.T
        met = np.zeros(len(parts), np.bool_)
        for turn in self._turns:
            met |= (left < window.right + turn) & (right > window.col + turn)
        met &= (top < window.bottom) & (bottom > window.row)
        return [member for number in np.flatnonzero(met) for member in parts[number].members]

    def _place(self, part: Window) -> Window:
        """Where a window of the mosaic's pixels lies on the grid, as the whole raster does."""
        raster, to_stored = self.raster, self.raster.to_stored
        if to_stored is None:
            return EVERYWHERE
        transform = raster.transform * ~to_stored * Affine.translation(part.col, part.row)
        height, width = part.height, part.width
        bounds = corners(transform, height, width)
        alone = replace(raster, transform=transform, bounds=bounds, height=height, width=width)
        try:
            return window_on(alone, self.grid, self.zoom)
        except OutsideGrid:
            return EVERYWHERE
