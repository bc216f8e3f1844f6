"""A raster's georeferencing: transform, ground control points, sensor model (RPC)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds

from engine.window import Window
from tileserver.library_internals import CPLE_BaseError
from tileserver.offline.area import Bbox

EDGE_PX = 1e-3
"""A box that ends on a pixel's edge does not include the next pixel by rounding."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Georeferencing; empty for a picture without any."""

    crs: CRS = field(default_factory=CRS)
    transform: Affine | None = None
    """From (column, row), at pixels' corners, to coordinates."""
    points: tuple[GroundControlPoint, ...] = ()
    """Their CRS is `crs`."""
    rpcs: dict[str, str] = field(default_factory=dict)
    """By GDAL's names; pixel coordinates count from the first pixel's centre."""

    def move(self, matrix: Affine) -> Placement:
        """The georeferencing of the same ground in other pixel coordinates.

        matrix: from (column, row) to the new ones; axes may be scaled, reversed and swapped.
        """
        return replace(
            self,
            transform=None if self.transform is None else self.transform * ~matrix,
            points=tuple(_moved_point(point, matrix) for point in self.points),
            rpcs=_moved_rpcs(self.rpcs, matrix) if self.rpcs else {},
        )

    def window(self, bbox: Bbox, extent: Window) -> Window | None:
        """The pixels of an extent that show some of a box in degrees; None if there are none.

        Raises ValueError where the box cannot be placed.
        """
        if self.transform is None or not self.crs:
            raise ValueError("the raster has no transform; gdalwarp gives it one")
        turns = (0, 360, -360) if self.crs.is_geographic else (0,)  # longitudes may start at 0
        for turn in turns:
            west, south, east, north = bbox
            box = west + turn, south, east + turn, north
            if not self.crs.is_geographic:
                try:
                    box = transform_bounds("EPSG:4326", self.crs, *box)
                except (RasterioError, CPLE_BaseError) as error:
                    raise ValueError(f"cannot be projected ({error})") from error
            if not all(map(math.isfinite, box)):
                raise ValueError("exceeds the raster's projection; choose a smaller one")
            found = self._pixels(box).intersection(extent)
            if found is not None:
                return found
        return None

    def _pixels(self, box: Bbox) -> Window:
        """The pixels that show some of a box in the CRS, from its corners."""
        assert self.transform is not None
        corners = [~self.transform * (x, y) for x in box[::2] for y in box[1::2]]
        cols, rows = zip(*corners, strict=True)
        left, top = (math.floor(min(numbers) + EDGE_PX) for numbers in (cols, rows))
        right, bottom = (math.ceil(max(numbers) - EDGE_PX) for numbers in (cols, rows))
        return Window(top, left, max(1, bottom - top), max(1, right - left))

    def pixel(self) -> str | None:
        """The size of a pixel with its unit, as text; None without a transform."""
        if self.transform is None:
            return None
        matrix = self.transform
        width, height = abs(complex(matrix.a, matrix.d)), abs(complex(matrix.b, matrix.e))
        size = (
            f"{width:.6g}" if f"{width:.6g}" == f"{height:.6g}" else f"{width:.6g} x {height:.6g}"
        )
        return f"{size} {self.crs.units_factor[0]}" if self.crs else size


def read_placement(dataset: rasterio.DatasetReader) -> Placement:
    """The georeferencing of an open dataset."""
    points, points_crs = dataset.gcps
    placed = not dataset.transform.is_identity
    return Placement(
        dataset.crs or points_crs or CRS(),
        dataset.transform if placed else None,
        () if placed else tuple(points),
        dataset.tags(ns="RPC"),
    )


def _moved_point(point: GroundControlPoint, matrix: Affine) -> GroundControlPoint:
    col, row = matrix * (point.col, point.row)
    return GroundControlPoint(row, col, point.x, point.y, point.z, point.id, point.info)


def _moved_rpcs(rpcs: dict[str, str], matrix: Affine) -> dict[str, str]:
    moved = dict(rpcs)
    swapped = matrix.a == 0
    rows = ("LINE", matrix.d if swapped else matrix.e, matrix.f)
    cols = ("SAMP", matrix.b if swapped else matrix.a, matrix.c)
    for (name, factor, shift), other in ((rows, "SAMP"), (cols, "LINE")):
        old = other if swapped else name
        offset, scale = (float(rpcs[f"{old}_{part}"].split()[0]) for part in ("OFF", "SCALE"))
        moved[f"{name}_OFF"] = repr(factor * (offset + 0.5) + shift - 0.5)
        moved[f"{name}_SCALE"] = repr(abs(factor) * scale)
        moved[f"{name}_DEN_COEFF"] = rpcs[f"{old}_DEN_COEFF"]
        numerator = rpcs[f"{old}_NUM_COEFF"]
        if factor < 0:
            numerator = " ".join(repr(-float(number)) for number in numerator.split())
        moved[f"{name}_NUM_COEFF"] = numerator
    return moved
