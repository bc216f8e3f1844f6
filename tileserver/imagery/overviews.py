"""The zooms above native: 2x2 means of a read one zoom deeper, as the native zoom's own are.

A read at a zoom's own scale mixes the file's overviews with a second filter: it is softer than the
zooms beside it, and the picture pops on the way in. On a meadow at 20 cm neighbouring zooms
differed by 3.5 to 4.8 levels of 255; by means they differ by 0.7 to 1.0, in a third of the time.
"""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from engine.imagery import Pixels
from engine.window import Window
from tileserver.grid import TILE_PX, Grid
from tileserver.imagery.bands import BLOCK_PX, GridSource
from tileserver.imagery.handles import RasterHandles
from tileserver.rasters.raster import Raster

MOST_PIXELS = 4096**2
"""Most pixels of the file to warp a tile from: with too few overviews, GDAL's plain decimation is
faster."""


class Overviews:
    """A raster on the zooms of a grid above its native zoom; thread-safe."""

    def __init__(self, handles: RasterHandles, grid: Grid, native_zoom: int) -> None:
        self.handles, self.native_zoom = handles, native_zoom
        self._sources = SourcesByZoom(handles, grid, native_zoom)

    def read(self, zoom: int, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        """Values (C, H, W) in the engine's unit, and their validity (H, W).

        Raises SourceUnavailable where the raster cannot be read.
        """
        values, valid = read_by_blocks(self._sources.at(zoom + 1), window.children())
        count = _summed(valid.astype(np.float32))
        values = _summed(values)
        values /= np.maximum(count, 1)
        return values.clip(*self.handles.raster.limits), count > 0

    def quick(self, zoom: int) -> bool:
        """Whether the file has an overview close enough to a zoom for fast reads."""
        return is_quick(self.handles.raster, 2 ** (self.native_zoom - zoom - 1))


class SourcesByZoom:
    """A raster on each zoom of a grid, from the overview that is fine enough; thread-safe."""

    def __init__(self, handles: RasterHandles, grid: Grid, native_zoom: int) -> None:
        self.handles, self.grid, self.native_zoom = handles, grid, native_zoom
        self._sources: dict[int, GridSource] = {}
        self._lock = Lock()

    def at(self, zoom: int) -> GridSource:
        """The raster on a zoom's grid; made when it is first asked for."""
        with self._lock:
            if zoom not in self._sources:
                level = overview_level(self.handles.raster, 2.0 ** (self.native_zoom - zoom))
                self._sources[zoom] = GridSource(self.handles, self.grid, zoom, level)
            return self._sources[zoom]


def overview_level(raster: Raster, factor: float) -> int | None:
    """The index of the coarsest overview that is fine enough; None: full resolution.

    factor: the size of a wanted pixel in pixels of the file, per axis.
    """
    levels = enumerate(raster.overviews)
    fine = [(one, level) for level, one in levels if one <= factor]
    return max(fine)[1] if fine else None


def is_quick(raster: Raster, factor: float) -> bool:
    """Whether a tile with pixels of twice the factor is warped from at most MOST_PIXELS."""
    level = overview_level(raster, factor)
    ours = 1 if level is None else raster.overviews[level]
    side = 2 * TILE_PX * factor / ours
    read: float = min(side, raster.height / ours) * min(side, raster.width / ours)
    return read <= MOST_PIXELS


def read_by_blocks(source: GridSource, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
    """The unfilled values and validity of any window, read by fixed blocks like all others."""
    values = np.empty((len(source.raster.indexes), window.height, window.width), np.float32)
    valid = np.empty((window.height, window.width), np.bool_)
    for block in window.blocks(BLOCK_PX):
        part = block.intersection(window)
        assert part is not None
        pixels, known = source.read_unfilled(block)
        to, of = window.slices(part), block.slices(part)
        values[:, *to], valid[to] = pixels[:, *of], known[of]
    return values, valid


def _summed(pixels: Pixels) -> Pixels:
    """Sums over 2 x 2 pixels of (..., 2H, 2W)."""
    upper = pixels[..., 0::2, 0::2] + pixels[..., 0::2, 1::2]
    upper += pixels[..., 1::2, 0::2]
    upper += pixels[..., 1::2, 1::2]
    return upper
