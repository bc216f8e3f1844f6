"""A raster as unbounded imagery on one zoom's pixel grid, independent of the window that is read.

GDAL's warped reads depend slightly on their window, which would show as seams. So one `WarpedVRT`
is fixed on the grid and read only by fixed blocks, and every window is cropped from them. Blocks at
the border are read with a margin, filled (tileserver.imagery.filling) and cropped, so that the
filling does not depend on the window either.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterWindow

from engine.imagery import BlockMemo, Imagery, Pixels
from engine.pictures.blocks import BlockedImagery
from engine.pictures.pinned import Pinned
from engine.window import Window
from tileserver.grid import Grid
from tileserver.imagery.filling import fill_by_mirroring
from tileserver.imagery.handles import RasterHandles
from tileserver.imagery.units import to_engine_unit
from tileserver.rasters.footprint import window_on
from tileserver.rasters.opening import open_raster
from tileserver.rasters.raster import Raster
from tileserver.rasters.validity import Alpha, warp_options

Read = Callable[[Window], tuple[Pixels, NDArray[np.bool_]]]
"""Reads the values (C, H, W) of a window, and their validity (H, W)."""

BLOCK_PX = 512
MARGIN_PX = 160
"""How far pixels are filled outside the data: more than the halo of 20 steps (146 px with the
bundled checkpoint). Farther out all is zero, which could affect only pixels at the border, with
more steps."""


class GridSource:
    """The blocks of a raster on the grid of one zoom.

    `read` takes aligned blocks only and returns (C + 1, H, W): the bands scaled to [0, 1], filled
    where there is no data, then the validity, 1 where there is data.
    """

    def __init__(
        self, handles: RasterHandles, grid: Grid, zoom: int, level: int | None = None
    ) -> None:
        """level: the index of the overview to read; None: full resolution."""
        self.handles, self.grid, self.zoom, self.level = handles, grid, zoom, level
        self.raster = handles.raster
        self.extent = window_on(self.raster, grid, zoom)
        """The window that the raster covers, at least in part."""
        # Aligned to blocks: GDAL warps in tiles of 512 x 128 px, and a partial tile costs as much.
        self._frame = self.extent.dilated(MARGIN_PX).aligned(BLOCK_PX).dilated(BLOCK_PX)

    def read(self, block: Window) -> Pixels:
        """Raises SourceUnavailable where the raster cannot be read."""
        return read_filled(block, self.extent, self.raster, self._read_warped)

    def read_unfilled(self, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        """Unfilled values (C, H, W) of any window, 0 without data, and their validity (H, W).

        Raises SourceUnavailable where the raster cannot be read.
        """
        return read_within(window, self.extent, len(self.raster.indexes), self._read_warped)

    def _read_warped(self, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        frame = self._frame
        part = RasterWindow(
            window.col - frame.col, window.row - frame.row, window.width, window.height
        )
        with self.handles.acquire((self.grid.id, self.zoom, self.level), self._open) as handle:
            alpha = self.raster.alpha or _added_alpha(handle.vrt)
            pixels = handle.vrt.read(indexes=(*self.raster.indexes, alpha.band), window=part)
        values = to_engine_unit(pixels[:-1], self.raster)
        valid = alpha.covers(pixels[-1])
        if pixels.dtype.kind == "f":
            valid &= np.isfinite(values).all(axis=0)
        if not valid.all():
            values[:, ~valid] = 0
        return values, valid

    def _open(self) -> _Warped:
        """The warped view of the frame, the part of the grid that can be read."""
        dataset = open_raster(self.raster, self.level)
        try:
            vrt = WarpedVRT(
                dataset,
                crs=self.grid.crs,
                transform=self.grid.transform(self.zoom, self._frame),
                width=self._frame.width,
                height=self._frame.height,
                resampling=Resampling.nearest if self.raster.nearest else Resampling.cubic,
                add_alpha=self.raster.alpha is None,
                dtype=self.raster.dtype,
                **self._nodata(dataset),
                **warp_options(self.raster.alpha),
            )
        except BaseException:  # whatever it is, nothing stays open; it is raised again
            dataset.close()
            raise
        return _Warped(dataset, vrt)

    def _nodata(self, dataset: rasterio.DatasetReader) -> dict[str, float]:
        """What the warper is to leave out, where no value says so: NaN would spread."""
        floats = np.dtype(self.raster.dtype).kind == "f"
        untold = self.raster.alpha is None and dataset.nodata is None
        untold &= MaskFlags.all_valid in dataset.mask_flag_enums[0]
        return {"src_nodata": np.nan, "nodata": np.nan} if floats and untold else {}


@dataclass(frozen=True, slots=True)
class _Warped:
    """A dataset and the warped view of it."""

    dataset: rasterio.DatasetReader
    vrt: WarpedVRT

    def close(self) -> None:
        self.vrt.close()
        self.dataset.close()


def read_within(
    window: Window, extent: Window, bands: int, read: Read
) -> tuple[Pixels, NDArray[np.bool_]]:
    """Values (C, H, W) of any window, read where it meets the extent, and their validity (H, W)."""
    part = window.intersection(extent)
    if part == window:
        return read(window)
    values = np.zeros((bands, window.height, window.width), np.float32)
    valid = np.zeros(values.shape[1:], np.bool_)
    if part is not None:
        rows, cols = window.slices(part)
        values[:, rows, cols], valid[rows, cols] = read(part)
    return values, valid


def read_filled(
    block: Window,
    extent: Window,
    raster: Raster,
    read: Read,
) -> Pixels:
    """A block's bands, filled where there is no data, then its validity: (C + 1, H, W).

    Outside the extent nothing is read; far outside, all is zero.
    """
    bands = len(raster.indexes)
    if block.intersection(extent.dilated(MARGIN_PX)) is None:
        return np.zeros((bands + 1, block.height, block.width), np.float32)
    within = block.intersection(extent) == block
    if within:
        values, valid = read(block)
    if not within or not valid.all():
        outer = block.dilated(MARGIN_PX)
        values, valid = read_within(outer, extent, bands, read)
        part = outer.slices(block)
        values, valid = fill_by_mirroring(values, valid, part), valid[part]
    return np.concatenate((values, valid[None].astype(np.float32)))


class Bands:
    """The bands of a source as imagery, filled where there is no data."""

    def __init__(self, source: Imagery, memo: BlockMemo) -> None:
        once = ReadOnce(source, BLOCK_PX, memo)
        self.blocks = BlockedImagery(once, BLOCK_PX, memo, canonical=True)

    def read(self, window: Window) -> Pixels:
        return self.blocks.read(window)[:-1]

    def pin(self, window: Window) -> Pinned:
        """A copy of a window's bands, which does not depend on what the memo still holds."""
        return Pinned([(window, self.read(window).copy())])

    def valid(self, window: Window) -> NDArray[np.bool_]:
        """The validity (H, W) of a window."""
        valid: NDArray[np.bool_] = self.blocks.read(window)[-1] > 0
        return valid


class ReadOnce:
    """Reads each block once even if several threads need it at the same time.

    A block enters the memo before the waiting threads continue, so none reads it again.
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
        except BaseException as error:  # whatever it is, all who wait for the block get it
            future.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._reading[block]
        return pixels


def _added_alpha(vrt: WarpedVRT) -> Alpha:
    """The alpha band that GDAL's warper adds as the last one."""
    opaque = {"uint16": 65535.0, "int16": 32767.0, "int8": 127.0}.get(vrt.dtypes[-1], 255.0)
    return Alpha(vrt.count, opaque)
