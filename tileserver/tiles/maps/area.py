"""What a map shows: a box of a coordinate reference system, and how many pixels it has."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from affine import Affine
from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds

from tileserver.errors import OutOfRange
from tileserver.library_internals import CPLE_BaseError
from tileserver.tiles.maps.reference_systems import (
    CRS84,
    MERCATOR,
    ReferenceSystem,
    find_system,
)

MERCATOR_LATITUDE = 85.0511287798066
MERCATOR_TURN = 2 * 20037508.342789244
"""Once around the Earth."""
DEFAULT_SIDE_PX = 1024
BOX = "four finite numbers in the order of the axes, the first two less than the last two"
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Area:
    """A box (left, bottom, right, top; x runs east) of a system in so many pixels."""

    system: ReferenceSystem
    bounds: Bounds
    height: int
    width: int

    @property
    def pixel_sizes(self) -> tuple[float, float]:
        """Width and height of a pixel in units of the system."""
        left, bottom, right, top = self.bounds
        return (right - left) / self.width, (top - bottom) / self.height

    @property
    def transform(self) -> Affine:
        """From pixels (col, row) to the system's x and y."""
        wide, high = self.pixel_sizes
        return Affine(wide, 0, self.bounds[0], 0, -high, self.bounds[3])


def parse_box(text: str, system: ReferenceSystem, *, wraps: bool = False) -> Bounds:
    """Four numbers in the order of a system's axes as left, bottom, right, top.

    wraps: whether west may exceed east in degrees, as OGC's APIs write a box across 180 degrees;
    its right is past 180 then. Raises OutOfRange.
    """
    try:
        a, b, c, d = (float(number) for number in text.split(","))
    except ValueError:
        raise OutOfRange("bbox", BOX) from None
    left, bottom, right, top = system.order((a, b, c, d))
    if wraps and system.crs.is_geographic and -180 <= right < left <= 180:
        right += 360
    if not (all(map(isfinite, (a, b, c, d))) and left < right and bottom < top):
        raise OutOfRange("bbox", BOX)
    return left, bottom, right, top


def project_box(bounds: Bounds, system: ReferenceSystem, target: ReferenceSystem) -> Bounds:
    """The box around a box in another system; its edges are followed, past 180 degrees as well.

    Raises OutOfRange.
    """
    if system.crs == target.crs:
        return bounds
    if target.code != MERCATOR:
        return _transform_box(bounds, system, target)
    if not system.crs.is_geographic:
        degrees = find_system(CRS84)
        return project_box(_transform_box(bounds, system, degrees), degrees, target)
    left, bottom, right, top = bounds
    bottom, top = (max(min(y, MERCATOR_LATITUDE), -MERCATOR_LATITUDE) for y in (bottom, top))
    if left < 180 < right <= left + 360:
        west, east, turns = (left, 180.0), (-180.0, right - 360), (0, 1)
    elif left < -180 < right <= left + 360:
        west, east, turns = (left + 360, 180.0), (-180.0, right), (-1, 0)
    else:
        return _transform_box((left, bottom, right, top), system, target)
    # Across 180 degrees: the parts at either end of the world, one of them a turn further.
    first, last = (
        _transform_box((edges[0], bottom, edges[1], top), system, target) for edges in (west, east)
    )
    shifts = [number * MERCATOR_TURN for number in turns]
    return first[0] + shifts[0], first[1], last[2] + shifts[1], first[3]


def _transform_box(bounds: Bounds, system: ReferenceSystem, target: ReferenceSystem) -> Bounds:
    try:
        box: Bounds = transform_bounds(system.crs, target.crs, *bounds, densify_pts=21)
    except (RasterioError, CPLE_BaseError) as error:
        raise OutOfRange("bbox", f"within the reach of {target.code}") from error
    if target.crs.is_geographic and box[2] < box[0]:  # it crosses 180 degrees
        box = (box[0], box[1], box[2] + 360, box[3])
    if not (all(map(isfinite, box)) and box[0] < box[2] and box[1] < box[3]):
        raise OutOfRange("bbox", f"within the reach of {target.code}")
    return box


def size_of(
    bounds: Bounds, height: int | None, width: int | None, max_side_px: int
) -> tuple[int, int]:
    """Height and width in pixels; sides that are left open follow from the box's proportions.

    Raises OutOfRange for sides beyond the limit, and for a box whose proportions are no number.
    """
    left, bottom, right, top = bounds
    ratio = (right - left) / (top - bottom)
    if not (isfinite(ratio) and ratio > 0):
        raise OutOfRange("bbox", BOX)
    if height is None and width is None:
        side = min(DEFAULT_SIDE_PX, max_side_px)
        height, width = (side, None) if ratio < 1 else (None, side)
    if height is None:
        assert width is not None
        height = max(1, round(min(width / ratio, max_side_px)))
    if width is None:
        width = max(1, round(min(height * ratio, max_side_px)))
    for name, side in (("height", height), ("width", width)):
        if not 1 <= side <= max_side_px:
            raise OutOfRange(name, f"1 to {max_side_px} pixels")
    return height, width
