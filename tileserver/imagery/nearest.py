"""A raster of classes on the zooms of a grid: each pixel is the value at its centre, at any zoom.

Class numbers cannot be averaged or interpolated, so neither is done at any zoom. The file's
overviews are used as they are.
"""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from engine.imagery import Pixels
from engine.window import Window
from tileserver.grid import Grid
from tileserver.imagery.bands import GridSource
from tileserver.imagery.handles import RasterHandles
from tileserver.imagery.overviews import is_quick, overview_level, read_by_blocks


class Nearest:
    """A raster by nearest neighbour on all zooms of a grid; thread-safe."""

    def __init__(self, handles: RasterHandles, grid: Grid, native_zoom: int) -> None:
        self.handles, self.grid, self.native_zoom = handles, grid, native_zoom
        self._zooms: dict[int, GridSource] = {}
        self._lock = Lock()

    def read(self, zoom: int, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        """The raster's own values (C, H, W), 0 without data, and their validity (H, W).

        Raises SourceUnavailable where the raster cannot be read.
        """
        return read_by_blocks(self._source(zoom), window)

    def quick(self, zoom: int) -> bool:
        """Whether the file has an overview close enough to a zoom for fast reads."""
        return is_quick(self.handles.raster, self._factor(zoom))

    def _factor(self, zoom: int) -> float:
        return float(2.0 ** (self.native_zoom - zoom))

    def _source(self, zoom: int) -> GridSource:
        with self._lock:
            if zoom not in self._zooms:
                level = overview_level(self.handles.raster, self._factor(zoom))
                self._zooms[zoom] = GridSource(self.handles, self.grid, zoom, level)
            return self._zooms[zoom]
