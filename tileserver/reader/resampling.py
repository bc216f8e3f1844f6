"""Parts, previews and points of a raster's picture: rio-tiler's own reads, of what is drawn.

Each chooses the zoom that is as fine as the read, draws the window of it that the read reaches,
and lets rio-tiler read that in place of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, isfinite, sqrt

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.warp import calculate_default_transform, transform, transform_bounds
from rio_tiler import reader
from rio_tiler.models import ImageData, PointData
from rio_tiler.utils import output_size

from engine.window import Window
from tileserver.grid import Grid
from tileserver.rasters.footprint import reproject
from tileserver.reader.options import BLENDING, Asked
from tileserver.reader.picture import Bounds, RasterPicture

MARGIN_PX = 8
"""Around what is read of a picture: more than any resampling of it reaches."""
SAMPLED = 17
"""Places along each side at which a box is projected onto a grid."""
EDGE_PX = 1e-3
"""A box that ends so near to a pixel's edge ends there."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box in a CRS, of so many pixels; None: as many as the other side and its shape give."""

    bounds: Bounds
    crs: CRS
    height: int | None
    width: int | None
    buffer: float = 0.0
    """Pixels more at each edge."""

    @property
    def has_area(self) -> bool:
        """Whether it holds anything; rio-tiler says what is wrong with one that does not."""
        left, bottom, right, top = self.bounds
        return left < right and bottom < top and all(map(isfinite, self.bounds))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        left, bottom, right, top = self.bounds
        shape = (top - bottom) / (right - left)
        height, width = self.height, self.width
        height = height or ceil((width or 1) * shape - EDGE_PX)
        return max(1, height), max(1, width or ceil(height / shape - EDGE_PX))


def read_part(picture: RasterPicture, box: Box, asked: Asked) -> tuple[ImageData, int] | None:
    """A box of a picture and the zoom that it is read from; None where the file is as fine."""
    grid, layer = picture.layer.grid, picture.layer
    if not (box.has_area and _is_on(grid, box.crs, box.bounds)):
        return None
    bounds = transform_bounds(box.crs, grid.crs, *box.bounds)
    height, width = box.size
    zoom = picture.find_zoom(picture.compare_pixels(bounds, height, width))
    if zoom is None:
        return None
    beyond = box.buffer + (asked.options.get("padding") or 0)
    reached: Window | None = grid.window_of_bounds(bounds, zoom)
    assert reached is not None
    reached = reached.dilated(MARGIN_PX + 2 * ceil(beyond))  # a pixel of it is two at most
    if not layer.crosses:
        reached = reached.intersection(layer.extent_at(zoom).dilated(MARGIN_PX))
    if reached is None:
        return None
    blending = {} if _is_on_pixels(grid.transform(zoom, reached), box, grid.crs) else BLENDING
    with picture.open(zoom, reached) as dataset:
        image = reader.part(
            dataset,
            box.bounds,
            height=height,
            width=width,
            dst_crs=box.crs,
            bounds_crs=box.crs,
            indexes=asked.positions,
            buffer=box.buffer,
            **{**blending, **asked.checked},
        )
    return image, zoom


def _is_on(grid: Grid, crs: CRS, bounds: Bounds) -> bool:
    """Whether a grid has all of a box: what it lacks would be missing in what is drawn on it."""
    left, bottom, right, top = bounds
    x, y = np.meshgrid(np.linspace(left, right, SAMPLED), np.linspace(bottom, top, SAMPLED))
    return grid.contains(*reproject(crs, grid.crs, x.ravel(), y.ravel()))


def _is_on_pixels(place: Affine, box: Box, crs: CRS) -> bool:
    """Whether a box consists of pixels of a grid, from (column, row) to the CRS: to be copied."""
    height, width = box.size
    left, top = ~place * (box.bounds[0], box.bounds[3])
    right, bottom = ~place * (box.bounds[2], box.bounds[1])
    whole = all(abs(number - round(number)) < EDGE_PX for number in (left, top, box.buffer))
    same_size = max(abs(right - left - width), abs(bottom - top - height)) < EDGE_PX
    return box.crs == crs and whole and same_size


def read_whole(
    picture: RasterPicture,
    file: DatasetReader | WarpedVRT,
    crs: CRS | None,
    height: int | None,
    width: int | None,
    asked: Asked,
) -> tuple[ImageData, int] | None:
    """A whole picture on the file's own grid, or that of a CRS, and the zoom that it is read from.

    None where the file is as fine.
    """
    if not _is_on(picture.layer.grid, file.crs, file.bounds):
        return None
    place, full_width, full_height = file.transform, file.width, file.height
    if crs is not None and crs != file.crs:
        place, full_width, full_height = calculate_default_transform(
            file.crs, crs, file.width, file.height, *file.bounds
        )
    size = output_size(
        dataset_height=full_height,
        dataset_width=full_width,
        output_height=height,
        output_width=width,
    )
    zoom = picture.find_zoom(sqrt(full_height * full_width / (size[0] * size[1])))
    layer = picture.layer
    if zoom is None or layer.crosses:
        return None
    grid = {
        "crs": crs or file.crs,
        "transform": place * Affine.scale(full_width / size[1], full_height / size[0]),
        "height": size[0],
        "width": size[1],
    }
    with picture.open(zoom, layer.extent_at(zoom).dilated(MARGIN_PX)) as dataset:
        image = reader.read(
            dataset,
            height=size[0],
            width=size[1],
            indexes=asked.positions,
            dst_crs=grid["crs"],
            vrt_options=grid,
            **{**BLENDING, **asked.checked},
        )
    return image, zoom


def read_point(
    picture: RasterPicture, place: tuple[float, float], crs: CRS, zoom: int, asked: Asked
) -> PointData | None:
    """The pixel of a zoom that holds a place; None where the picture has none."""
    grid, layer = picture.layer.grid, picture.layer
    (x,), (y,) = transform(crs, grid.crs, *([number] for number in place))
    if not (isfinite(x) and isfinite(y)):
        return None
    (left, top), side = grid.origin(zoom), grid.pixel_size(zoom)
    pixel = Window(floor((top - y) / side), floor((x - left) / side), 1, 1)
    extent = layer.extent_at(zoom)
    if not any(one.intersection(extent) for one in layer.windows(zoom, pixel)):
        return None
    with picture.open(zoom, pixel.dilated(MARGIN_PX)) as dataset:
        point = reader.point(dataset, place, asked.positions, coord_crs=crs, **asked.checked)
    point.pixel_location = pixel.col, pixel.row
    return point
