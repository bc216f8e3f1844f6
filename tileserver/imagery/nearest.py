"""A raster of classes on the zooms of a grid: each pixel is the value at its centre, at any zoom.

Numbers of classes have no mean and nothing between them, so they are neither averaged above the
native zoom nor interpolated past it. Overviews are taken as the file has them.
"""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from engine.imagery import Pixels
from engine.window import Window
from tileserver.grid import Grid
from tileserver.imagery.bands import GridSource
from tileserver.imagery.handles import Shelf
from tileserver.imagery.overviews import is_quick, overview_level, read_by_blocks


class Nearest:
    """A raster by nearest neighbour, on all zooms of a grid; from any thread."""

    def __init__(self, shelf: Shelf, grid: Grid, native_zoom: int) -> None:
        self.shelf, self.grid, self.native_zoom = shelf, grid, native_zoom
        self._zooms: dict[int, GridSource] = {}
        self._lock = Lock()

    def read(self, zoom: int, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        """The raster's own values (C, H, W), 0 where there are none, and where there are (H, W).

        Raises SourceUnavailable where the raster cannot be read.
        """
        return read_by_blocks(self._source(zoom), window)

    def quick(self, zoom: int) -> bool:
        """Whether the file has an overview that is near enough to a zoom."""
        return is_quick(self.shelf.raster, self._factor(zoom))

    def _factor(self, zoom: int) -> float:
        return float(2.0 ** (self.native_zoom - zoom))

    def _source(self, zoom: int) -> GridSource:
        with self._lock:
            if zoom not in self._zooms:
                level = overview_level(self.shelf.raster, self._factor(zoom))
                self._zooms[zoom] = GridSource(self.shelf, self.grid, zoom, level)
            return self._zooms[zoom]
