"""A raster of classes on the zooms of a grid: each pixel is the value at its centre, at any zoom.

Class numbers cannot be averaged or interpolated, so neither is done at any zoom. The file's
overviews are used as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.imagery import Pixels
from engine.window import Window
from tileserver.grid import Grid
from tileserver.imagery.handles import RasterHandles
from tileserver.imagery.overviews import SourcesByZoom, is_quick, read_by_blocks


class Nearest:
    """A raster by nearest neighbour on all zooms of a grid; thread-safe."""

    def __init__(self, handles: RasterHandles, grid: Grid, native_zoom: int) -> None:
        self.handles, self.native_zoom = handles, native_zoom
        self._sources = SourcesByZoom(handles, grid, native_zoom)

    def read(self, zoom: int, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        """The raster's own values (C, H, W), 0 without data, and their validity (H, W).

        Raises SourceUnavailable where the raster cannot be read.
        """
        return read_by_blocks(self._sources.at(zoom), window)

    def quick(self, zoom: int) -> bool:
        """Whether the file has an overview close enough to a zoom for fast reads."""
        return is_quick(self.handles.raster, 2.0 ** (self.native_zoom - zoom))
