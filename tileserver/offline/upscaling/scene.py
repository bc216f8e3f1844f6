"""An upright raster: its own values and their validity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from engine.window import Window
from tileserver.errors import StartupError
from tileserver.library_internals import CPLE_BaseError
from tileserver.offline.area import Bbox
from tileserver.offline.upscaling.description import Description, read_description
from tileserver.offline.upscaling.orientation import read_orientation
from tileserver.offline.upscaling.placement import Placement, read_placement
from tileserver.origins.origin import file_origin
from tileserver.rasters.inspection import inspect_origin
from tileserver.rasters.opening import open_raster
from tileserver.rasters.raster import Raster

SCALED_TYPES = ("uint8", "uint16", "int16", "float32", "float64")
"""Types whose values the engine's float32 can represent well enough."""

Values = NDArray[Any]
Validity = NDArray[np.bool_]


class Scene:
    """An open raster, read by windows of the upright picture."""

    def __init__(
        self, path: Path, value_range: tuple[float, float] | None, bbox: Bbox | None = None
    ) -> None:
        """bbox: of the part to write; default: all.

        Raises StartupError for an unreadable raster, an unsupported type or a box outside.
        """
        self.path = path
        self.raster: Raster = inspect_origin(
            file_origin(path), value_range, placed=False, trusting=True
        )
        if self.raster.palette is not None:
            raise StartupError(
                f"{path}: has a colour table, and classes are not super-resolved; gdalwarp -r near "
                "repeats their pixels, gdal_translate -expand rgb converts them to colours"
            )
        with _reading(path):
            self._dataset = open_raster(self.raster)
            dtypes = set(self._dataset.dtypes)
            if unknown := sorted(dtypes - set(SCALED_TYPES)):
                known = ", ".join(SCALED_TYPES)
                raise StartupError(
                    f"{path}: has {', '.join(unknown)} values; convert them to one of {known}"
                )
            if len(dtypes) > 1:
                raise StartupError(f"{path}: has bands of types {', '.join(sorted(dtypes))}")
            self._orientation = read_orientation(path, self._dataset.driver)
            size = self._orientation.size(self.raster.height, self.raster.width)
            self.extent = Window(0, 0, *size)
            placement = read_placement(self._dataset).move(self._orientation.matrix(*size))
            indexes = self._dataset.indexes
            self.part = self.extent if bbox is None else self._window(placement, bbox)
            moved = placement.move(Affine.translation(-self.part.col, -self.part.row))
            self.description: Description = read_description(self._dataset, indexes, moved)
        self.alpha_indexes = tuple(sorted(set(indexes) - set(self.raster.indexes)))
        shown = {MaskFlags.alpha, MaskFlags.per_dataset}
        alpha, flags = self.raster.alpha, self._dataset.mask_flag_enums[0]
        # Of many types and numbers of bands GDAL's masks do not know it.
        self._unknown_alpha = None if alpha is None or shown & {*flags} else alpha.band

    def read(self, window: Window) -> tuple[Values, Validity]:
        """The picture bands (C, H, W) of a window of the extent, and their validity (C, H, W).

        What is soft in an alpha band is data. Raises StartupError if they cannot be read.
        """
        place, alpha = self._place(window), self._unknown_alpha
        with _reading(self.path):
            read = self._dataset.read(self.raster.indexes, window=place, masked=True)
            valid = ~np.ma.getmaskarray(read)
            if alpha is not None:
                valid &= self._dataset.read(alpha, window=place) > 0
        if read.dtype.kind == "f":
            valid &= np.isfinite(read.data)
        return self._orientation.to_upright(read.data), self._orientation.to_upright(valid)

    def read_alpha(self, window: Window) -> Values:
        """The alpha bands (A, H, W) of a window; raises StartupError as read does."""
        with _reading(self.path):
            read = self._dataset.read(self.alpha_indexes, window=self._place(window))
        return self._orientation.to_upright(read)

    def _window(self, placement: Placement, bbox: Bbox) -> Window:
        try:
            part = placement.window(bbox, self.extent)
        except ValueError as error:
            raise StartupError(f"{self.path}: --bbox: {error}") from error
        if part is None:
            raise StartupError(f"{self.path}: lies outside --bbox")
        return part

    def _place(self, window: Window) -> RasterWindow:
        stored = self._orientation.stored(window, self.extent.height, self.extent.width)
        return RasterWindow(stored.col, stored.row, stored.width, stored.height)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise StartupError(f"{path}: cannot be read ({error})") from error
