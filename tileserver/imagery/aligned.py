"""A raster whose pixels are exactly those of the native zoom, so that native tiles are unchanged.

This holds for upstream tiles and files made for the web. The grid one zoom deeper, which drawing
reads, then contains their consistent doubling: its 2x2 means are the raster's pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from engine.imagery import Pixels
from engine.network.doubling import REACH_PX, doubled
from engine.window import Window
from tileserver.grid import Grid
from tileserver.imagery.bands import read_filled
from tileserver.imagery.handles import RasterHandles
from tileserver.imagery.units import to_engine_unit
from tileserver.rasters.raster import Raster
from tileserver.rasters.validity import read_valid

OFF_PX = 0.01
"""Largest distance of the raster's edges from the grid's, in pixels."""


def window_on_grid(raster: Raster, grid: Grid, zoom: int) -> Window | None:
    """The window of a zoom that a raster fills pixel by pixel; None if it is not aligned."""
    size, (x, y) = grid.pixel_size(zoom), grid.origin(zoom)
    left, bottom, right, top = raster.bounds
    edges = [(y - top) / size, (left - x) / size, (y - bottom) / size, (right - x) / size]
    row, col, last_row, last_col = (round(edge) for edge in edges)
    on_grid = all(abs(edge - round(edge)) < OFF_PX for edge in edges)
    same_size = (last_row - row, last_col - col) == (raster.height, raster.width)
    if raster.crs != grid.crs or not (raster.north_up and on_grid and same_size):
        return None
    return Window(row, col, raster.height, raster.width)


class AlignedSource:
    """Blocks on the grid one zoom deeper than native, like bands.GridSource."""

    def __init__(self, handles: RasterHandles, place: Window) -> None:
        """place: the raster's window at the native zoom."""
        self.handles, self.raster, self.place = handles, handles.raster, place
        self.extent = place.children()

    def read(self, block: Window) -> Pixels:
        """Raises SourceUnavailable where the raster cannot be read."""
        inner = block.parent()
        parent = read_filled(inner.dilated(REACH_PX), self.place, self.raster, self._read_stored)
        values = doubled(torch.from_numpy(parent[:-1])).numpy()
        valid = parent[-1:, REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
        valid = valid.repeat(2, axis=1).repeat(2, axis=2)
        rows, cols = inner.children().slices(block)
        pixels: Pixels = np.concatenate((values, valid))[:, rows, cols]
        return pixels

    def _read_stored(self, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        own = RasterWindow(
            window.col - self.place.col, window.row - self.place.row, window.width, window.height
        )
        with self.handles.acquire_stored() as dataset:
            values = to_engine_unit(dataset.read(self.raster.indexes, window=own), self.raster)
            valid = read_valid(dataset, self.raster.indexes, self.raster.alpha, own)
        valid &= np.isfinite(values).all(axis=0)
        values[:, ~valid] = 0
        return values, valid
