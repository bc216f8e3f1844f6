"""A raster's metadata, as inspected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from tileserver.origins.members import Signature
from tileserver.origins.origin import Address, Origin
from tileserver.rasters.palette import Palette
from tileserver.rasters.validity import Alpha
from tileserver.rasters.value_range import RangeOrigin


@dataclass(frozen=True)
class Raster:
    """One version of a raster that can be served."""

    origin: Origin
    address: Address
    """The origin's, with the driver that was found."""
    crs: CRS
    """Empty where the raster does not say where it lies."""
    bounds: tuple[float, float, float, float]
    transform: Affine
    """From its pixels (col, row) to its CRS."""
    to_stored: Affine | None
    """From its pixels (col, row) to those of the file, which differ where it is turned north-up.

    None where GDAL puts it onto the ground by control points or RPCs: its pixels are resampled.
    """
    height: int
    width: int
    indexes: tuple[int, ...]
    """The bands that are pictures: alpha is not."""
    dtype: str
    range: tuple[float, float]
    """The values that are 0 and 1 to the engine (`unit`), and shown as black and white."""
    range_origin: RangeOrigin
    alpha: Alpha | None
    """The band that says where there is data, if one does."""
    nodata: float | None
    masked: bool
    """Whether pixels may have no data."""
    colours: tuple[ColorInterp, ...]
    """What the picture bands show."""
    nearest: bool
    """Whether its values are classes, or taken for such: resampled by nearest neighbour only."""
    palette: Palette | None
    """The colours of its one band's values, if the file has a colour table."""
    fingerprint: str
    """Of the members' content."""
    signature: tuple[Signature, ...]
    """The members' signatures when they were read."""
    settled: bool
    """Whether any later change is sure to change the signature."""

    overviews: tuple[int, ...]
    """Decimation factors of the overviews, in the file's order."""
    parts: tuple[object, ...]
    """Masks, colours and overviews, as every handle has to show them."""

    @property
    def unit(self) -> tuple[float, float]:
        """The values that pixels of the engine have as 0 and 1: the range; of classes 0 and 1."""
        return (0.0, 1.0) if self.nearest else self.range

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest value that its type holds, in the engine's unit."""
        low, high = self.unit
        dtype = np.dtype(self.dtype)
        if dtype.kind not in "ui":
            return -np.inf, np.inf
        held = np.iinfo(dtype)
        return (held.min - low) / (high - low), (held.max - low) / (high - low)

    @property
    def north_up(self) -> bool:
        """Whether rows run from west to east, the first in the north."""
        place = self.transform
        return bool(place.a > 0 > place.e and not place.b and not place.d)

    def is_unchanged(self, members: Sequence[int] | None = None) -> bool:
        """Whether its files still look as they did when it was inspected.

        members: the numbers of those that are polled; None: all.
        """
        known = self.signature if members is None else tuple(self.signature[n] for n in members)
        try:
            return self.origin.last_signature(members) == known
        except OSError:
            return False
