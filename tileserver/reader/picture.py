"""The picture of a raster on a reader's grid: which zoom a read needs, and that zoom's pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import DatasetReader, MemoryFile

from engine.imagery import Picture, Pixels
from engine.pictures.super_resolution import Doubled
from engine.window import Window
from tileserver.catalogue.layers import Layer, Source
from tileserver.imagery.units import to_raster_type
from tileserver.rasters.ground import HELD, round_size
from tileserver.reader.engine import Engine
from tileserver.tiles.pixels import find_valid_pixels, merge_pixels
from tileserver.tiles.request import NEAREST, Mode

Bounds = tuple[float, float, float, float]
"""Left, bottom, right and top."""
FINER = 0.95
"""A read is finer than the file where its pixel is less than this share of the file's: boxes of a
projection that is turned against the grid's seem up to some per cent larger."""
BLOCK_PX = 1024
"""Side of the blocks that larger windows are drawn in: the halo adds a quarter of the work."""


@dataclass(frozen=True)
class RasterPicture:
    """All zooms of a raster on a grid, drawn by the engine that its readers share."""

    engine: Engine
    source: Source
    layer: Layer

    def find_zoom(self, share: float) -> int | None:
        """The zoom that a read needs whose pixel is this share of the file's; None: the file.

        The first one that is as fine as the read, at least the native and at most the deepest.
        """
        layer = self.layer
        if layer.nearest is not None or not share < FINER:
            return None
        for zoom in range(layer.native_zoom, layer.max_zoom):
            if HELD * share * layer.ground.ratio(zoom) >= 1:
                return zoom
        return layer.max_zoom

    def compare_pixels(self, bounds: Bounds, height: int, width: int) -> float:
        """The side of a read's pixel as a share of the file's; bounds are in the grid's CRS.

        Infinite where the grid does not reach them.
        """
        area = (bounds[2] - bounds[0]) * (bounds[3] - bounds[1])
        _, least, _, most = self.layer.grid.bounds
        if not (isfinite(area) and area > 0 and least <= bounds[1] < bounds[3] <= most):
            return inf
        native = self.layer.native_zoom
        file_side = self.layer.grid.pixel_size(native) * self.layer.ground.ratio(native)
        return sqrt(area / (height * width)) / file_side

    def describe(self, zoom: int) -> dict[str, Any]:
        """What a zoom's pixels are, as metadata of what is read."""
        layer, origin = self.layer, "native"
        if zoom > layer.native_zoom:
            origin = str(Mode.super_resolved) if layer.nearest is None else NEAREST
        return {
            "overzoom": origin,
            "native_zoom": layer.native_zoom,
            "imagery_pixel_metres": round_size(layer.ground.imagery_metres),
            "pixel_metres": round_size(layer.ground.pixel_metres(zoom)),
        }

    @contextmanager
    def open(self, zoom: int, window: Window) -> Iterator[DatasetReader]:
        """A window of a zoom as a dataset of the raster's picture bands, with a mask."""
        values, valid = self.draw(zoom, window)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as file:
            with file.open(
                driver="GTiff",
                dtype=values.dtype,
                count=len(values),
                height=window.height,
                width=window.width,
                crs=self.layer.grid.crs,
                transform=self.layer.grid.transform(zoom, window),
                BIGTIFF="IF_SAFER",
            ) as out:
                out.write(values)
                out.write_mask(valid)
            with file.open() as dataset:
                yield dataset

    def draw(self, zoom: int, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """A window's values (C, H, W) as the raster's, and where there is data (H, W).

        They are 0 without data. One zoom past the deepest the picture is doubled.
        """
        raster, extent = self.source.raster, (window.height, window.width)
        values = np.zeros((len(raster.indexes), *extent), raster.dtype)
        valid = np.zeros(extent, np.bool_)
        for block in window.blocks(BLOCK_PX) if max(extent) > BLOCK_PX else [window]:
            part = block.intersection(window)
            assert part is not None
            windows = self.layer.windows(zoom, part)
            if windows:
                pixels, known = merge_pixels([self._draw_block(zoom, one) for one in windows])
                rows, cols = window.slices(part)
                values[:, rows, cols] = np.where(known, to_raster_type(pixels, raster), 0)
                valid[rows, cols] = known
        return values, valid

    def _draw_block(self, zoom: int, window: Window) -> tuple[Pixels, NDArray[np.bool_]]:
        """In the engine's unit: the raster's range is [0, 1]. Of classes they are class numbers."""
        layer = self.layer
        if layer.nearest is not None or zoom < layer.native_zoom:
            return layer.read(zoom, window)
        valid = find_valid_pixels(layer, zoom, window)
        if not valid.any():
            return np.zeros((len(self.source.raster.indexes), *valid.shape), np.float32), valid
        picture: Picture
        if zoom > layer.max_zoom:
            picture = Doubled(layer.pyramid.picture(layer.max_zoom))
        else:
            picture = layer.pyramid.picture(zoom)
        source = layer.pin(picture, window)  # first: nobody's drawing waits for a read
        with self.engine.drawing:
            (pixels,) = picture.read_many([window], source)
        return pixels, valid
