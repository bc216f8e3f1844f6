"""A raster as imagery on one zoom's pixel grid, unbounded, equal for every window.

GDAL's warped reads depend slightly on their window. So one `WarpedVRT` lies fixed on the grid,
is read only by canonical blocks, each always as the same window, and everything else is cropped
from these (anything else shows as seams). Blocks at the border are read with a margin,
filled (tileserver.imagery.filling) and cut, so that the filling is canonical too.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterWindow

from engine.imagery import BlockMemo, Imagery, Pixels
from engine.pictures.blocks import BlockedImagery
from engine.pictures.pinned import Pinned
from engine.window import Window
from tileserver.grid import Grid
from tileserver.imagery.filling import mirrored
from tileserver.imagery.handles import Shelf
from tileserver.rasters.footprint import window_on
from tileserver.rasters.opening import open_raster
from tileserver.rasters.raster import Raster

BLOCK_PX = 512
MARGIN_PX = 160
"""How far outside the data filled pixels reach: more than the halo of 20 steps (146 px with the
bundled checkpoint); beyond it lies nothing, which only pixels at a border can see, and only with
more steps."""


class GridSource:
    """The canonical blocks of a raster on the grid of one zoom: bands, then validity.

    `read` takes aligned blocks only and gives (C + 1, H, W): values scaled to [0, 1] with the
    pixels that have no data filled, and 1 where there is data.
    """

    def __init__(self, shelf: Shelf, grid: Grid, zoom: int, level: int | None = None) -> None:
        """level: the place of the overview that is read; None: the file itself."""
        self.shelf, self.grid, self.zoom, self.level = shelf, grid, zoom, level
        self.raster = shelf.raster
        self.extent = window_on(self.raster, grid, zoom)
        """The pixels that the raster touches."""
        # Starts on a block: GDAL warps in tiles of 512 x 128 px, and half ones cost whole ones.
        self._frame = self.extent.dilated(MARGIN_PX).aligned(BLOCK_PX).dilated(BLOCK_PX)

    def read(self, block: Window) -> Pixels:
        """Raises SourceUnavailable where the raster cannot be read."""
        return filled(block, self.extent, self.raster, self._warped)

    def stored(self, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        """Values (C, H, W) over any window, 0 where there are none, and where there are (H, W).

        Raises SourceUnavailable where the raster cannot be read.
        """
        part = window.intersection(self.extent)
        if part == window:
            return self._warped(window)
        values = np.zeros((len(self.raster.indexes), window.height, window.width), np.float32)
        valid = np.zeros(values.shape[1:], np.bool_)
        if part is not None:
            rows, cols = window.slices(part)
            values[:, rows, cols], valid[rows, cols] = self._warped(part)
        return values, valid

    def _warped(self, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        frame = self._frame
        part = RasterWindow(
            window.col - frame.col, window.row - frame.row, window.width, window.height
        )
        with self.shelf.borrow((self.grid.id, self.zoom, self.level), self._open) as handle:
            alpha = self.raster.alpha_index or handle.vrt.count
            pixels = handle.vrt.read(indexes=(*self.raster.indexes, alpha), window=part)
        values = scaled(pixels[:-1], self.raster)
        valid = pixels[-1] > (self.raster.opaque_value or _opaque(pixels.dtype)) / 2
        if pixels.dtype.kind == "f":
            valid &= np.isfinite(values).all(axis=0)
        if not valid.all():
            values[:, ~valid] = 0
        return values, valid

    def _open(self) -> _Warped:
        """The warped view of the frame, the part of the grid that is ever read."""
        dataset = open_raster(self.raster, self.level)
        try:
            vrt = WarpedVRT(
                dataset,
                crs=self.grid.crs,
                transform=self.grid.transform(self.zoom, self._frame),
                width=self._frame.width,
                height=self._frame.height,
                resampling=Resampling.nearest if self.raster.nearest else Resampling.cubic,
                add_alpha=self.raster.alpha_index is None,
                dtype=self.raster.dtype,
            )
        except BaseException:
            dataset.close()
            raise
        return _Warped(dataset, vrt)


@dataclass(frozen=True, slots=True)
class _Warped:
    """A handle and the warped view through it."""

    dataset: rasterio.DatasetReader
    vrt: WarpedVRT

    def close(self) -> None:
        self.vrt.close()
        self.dataset.close()


def filled(
    block: Window,
    extent: Window,
    raster: Raster,
    read: Callable[[Window], tuple[Pixels, NDArray[np.bool_]]],
) -> Pixels:
    """A block's bands with the pixels that have no data filled, and its validity.

    Nothing is read, and all is zero, far outside the extent.
    """
    if block.intersection(extent.dilated(MARGIN_PX)) is None:
        return np.zeros((len(raster.indexes) + 1, block.height, block.width), np.float32)
    values, valid = read(block)
    if not valid.all():
        outer = block.dilated(MARGIN_PX)
        values, valid = read(outer)
        rows, cols = outer.slices(block)
        values, valid = mirrored(values, valid)[:, rows, cols], valid[rows, cols]
    return np.concatenate((values, valid[None].astype(np.float32)))


class Bands:
    """The picture of a source: its bands, filled where there is no data."""

    def __init__(self, source: Imagery, memo: BlockMemo) -> None:
        once = ReadOnce(source, BLOCK_PX, memo)
        self.blocks = BlockedImagery(once, BLOCK_PX, memo, canonical=True)

    def read(self, window: Window) -> Pixels:
        return self.blocks.read(window)[:-1]

    def pin(self, window: Window) -> Pinned:
        """A window's pixels, held whatever the memo forgets, and without their validity."""
        return Pinned([(window, self.read(window).copy())])

    def valid(self, window: Window) -> NDArray[np.bool_]:
        """Where there is data, (H, W)."""
        valid: NDArray[np.bool_] = self.blocks.read(window)[-1] > 0
        return valid


class ReadOnce:
    """Imagery whose block is read once where several threads ask for it at a time.

    It is remembered before the waiting are let go, so that nobody reads it after them.
    """

    def __init__(self, inner: Imagery, block_px: int, memo: BlockMemo) -> None:
        self.inner, self.block_px, self.memo = inner, block_px, memo
        self._reading: dict[Window, Future[Pixels]] = {}
        self._lock = Lock()

    def read(self, block: Window) -> Pixels:
        place = block.row // self.block_px, block.col // self.block_px
        with self._lock:
            known = self.memo.get(place)
            if known is not None:
                return known
            future = self._reading.get(block)
            mine = future is None
            if future is None:
                future = self._reading[block] = Future()
        if not mine:
            return future.result()
        try:
            pixels = self.inner.read(block)
            pixels.setflags(write=False)
            self.memo[place] = pixels
            future.set_result(pixels)
        except BaseException as error:
            future.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._reading[block]
        return pixels


def scaled(pixels: NDArray[Any], raster: Raster) -> Pixels:
    """A raster's values in the engine's unit: most have their range as 0 to 1."""
    low, high = raster.unit
    if pixels.dtype.itemsize > 2 and pixels.dtype != np.float32:
        return ((pixels - np.float64(low)) / (high - low)).astype(np.float32)
    values: Pixels = pixels.astype(np.float32)
    values -= np.float32(low)  # in place: most of the time went into new arrays
    values /= np.float32(high - low)
    return values


def unscaled(values: Pixels, raster: Raster) -> NDArray[Any]:
    """Values in the engine's unit as a raster's own, rounded where its type is whole."""
    pixels: NDArray[Any] = unrounded(values, raster)
    dtype = np.dtype(raster.dtype)
    if dtype.kind in "ui":
        held = np.iinfo(dtype)
        pixels = np.rint(pixels).clip(held.min, held.max)
    return pixels.astype(dtype)


def unrounded(values: Pixels, raster: Raster) -> NDArray[np.floating]:
    """Values in a raster's own unit, float64 where its own values are wider than float32's."""
    low, high = raster.unit
    dtype = np.dtype(raster.dtype)
    if dtype.itemsize > 2 and dtype != np.float32:
        wide: NDArray[np.floating] = values.astype(np.float64) * (high - low) + low
        return wide
    pixels: NDArray[np.floating] = values * np.float32(high - low) + np.float32(low)
    return pixels


def _opaque(dtype: np.dtype[Any]) -> float:
    """The alpha that GDAL's warper gives to pixels wholly covered by data."""
    return {"uint16": 65535.0, "int16": 32767.0, "int8": 127.0}.get(dtype.name, 255.0)
