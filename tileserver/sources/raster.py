"""A raster: what it says of itself, as it was when it was inspected."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from tileserver.errors import StartupError
from tileserver.sources.members import Look
from tileserver.sources.origin import Address, Origin, file_origin
from tileserver.sources.sidecars import names_overviews

REFERRING_DRIVERS = frozenset(
    {"VRT", "DERIVED", "GTI", "STACIT", "STACTA", "WMS", "WMTS", "WCS", "HTTP", "EEDAI"}
)
"""Drivers that read what a file names, files and networks: for origins that have checked that."""
POLAR_DEGREES = 84
"""Beyond this latitude maps have other grids, and no antimeridian."""


@dataclass(frozen=True)
class Raster:
    """One version of a raster that can be served."""

    origin: Origin
    address: Address
    """The origin's, with the driver that was found."""
    crs: CRS
    """Empty where the raster does not say where it lies."""
    bounds: tuple[float, float, float, float]
    north_up: bool
    """Whether rows run from west to east, the first in the north."""
    height: int
    width: int
    indexes: tuple[int, ...]
    """The bands that are pictures: alpha is not."""
    dtype: str
    range: tuple[float, float]
    alpha_index: int | None
    """The band that says where there is data, if one does."""
    nodata: float | None
    masked: bool
    """Whether pixels may have no data."""
    colours: tuple[ColorInterp, ...]
    """What the picture bands show."""
    fingerprint: str
    """Of the members' content."""
    signature: tuple[Look, ...]
    """What the members looked like when they were read."""
    settled: bool
    """Whether any later change is sure to change the signature."""

    overviews: tuple[int, ...]
    """How many pixels a side each overview makes one of, in the file's order."""
    parts: tuple[object, ...]
    """Masks, colours and overviews, as every handle has to show them."""

    def unchanged(self, members: Sequence[int] | None = None) -> bool:
        """Whether its files still look as they did when it was inspected.

        members: the numbers of those that are looked at; None: all.
        """
        known = self.signature if members is None else tuple(self.signature[n] for n in members)
        try:
            return self.origin.last_looks(members) == known
        except OSError:
            return False


def inspect(path: Path, value_range: tuple[float, float] | None, *, placed: bool = True) -> Raster:
    """The raster in a file; raises StartupError as `inspected` does."""
    return inspected(file_origin(path), value_range, placed=placed)


def inspected(
    origin: Origin, value_range: tuple[float, float] | None, *, placed: bool = True
) -> Raster:
    """Read a raster's description; raises StartupError in one line that names it.

    placed: whether it must say where on Earth it lies.
    """
    address = origin.address
    try:
        # What is read may be newer than the looks before it, never older.
        settled, signature = origin.settled(), origin.signature()
        digest = origin.digest()
        with address.environment(), opened_anew(address) as dataset:
            _check(dataset, address, placed=placed)
            pairs = zip(dataset.indexes, dataset.colorinterp, strict=True)
            indexes = tuple(index for index, colour in pairs if colour is not ColorInterp.alpha)
            alpha = [index for index in dataset.indexes if index not in indexes]
            if not indexes:
                raise StartupError(f"{address.name}: has no band but alpha")
            return Raster(
                origin,
                replace(address, driver=dataset.driver),
                dataset.crs or CRS(),
                tuple(dataset.bounds),
                _north_up(dataset.transform),
                dataset.height,
                dataset.width,
                indexes,
                dataset.dtypes[indexes[0] - 1],
                _value_range(dataset, indexes, value_range),
                alpha[0] if alpha else None,
                dataset.nodata,
                _masked(dataset),
                tuple(dataset.colorinterp[index - 1] for index in indexes),
                digest,
                signature,
                settled,
                _overviews(dataset, address),
                _parts(dataset),
            )
    except (RasterioError, CPLE_BaseError, OSError) as error:
        reason = str(error).replace(address.text, "").strip(": '") or "cannot be opened"
        raise StartupError(f"{address.name}: not a raster that GDAL reads ({reason})") from error


def _check(dataset: rasterio.DatasetReader, address: Address, *, placed: bool) -> None:
    """Raises StartupError for what cannot be served."""
    reason = None
    if dataset.driver in REFERRING_DRIVERS and dataset.driver != address.driver:
        reason = "refers to other files; name it as what it is"
    elif placed and dataset.crs is None:
        reason = "has no coordinate reference system"
    elif placed and crosses_antimeridian(dataset):
        reason = "crosses the antimeridian; cut it in two there"
    elif np.dtype(dataset.dtypes[0]).kind not in "uif":
        reason = f"has {dataset.dtypes[0]} values"
    elif ColorInterp.palette in dataset.colorinterp:
        reason = "has a colour table; make colours of it (gdal_translate -expand rgb)"
    if reason is not None:
        raise StartupError(f"{address.name}: {reason}")


def whole_range(raster: Raster) -> tuple[float, float]:
    """The least and the greatest value that a raster holds, read block by block."""
    low, high = float("inf"), float("-inf")
    with open_raster(raster) as dataset:
        for _, window in dataset.block_windows(raster.indexes[0]):
            values = dataset.read(raster.indexes, window=window, masked=True)
            values = np.ma.masked_invalid(values).compressed()
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
    return (low, high) if low < high else (low, low + 1) if low == high else (0.0, 1.0)


def _north_up(transform: Affine) -> bool:
    return bool(transform.a > 0 > transform.e and not transform.b and not transform.d)


def crosses_antimeridian(dataset: rasterio.DatasetReader) -> bool:
    """Whether a raster outside the polar regions lies on both ends of the world's maps."""
    if dataset.crs.is_geographic:
        pixel = abs(dataset.transform.a)  # grids of the whole world stick out by half of one
        west, east = dataset.bounds.left, dataset.bounds.right
        return bool(west < -180 - pixel or east > 180 + pixel)
    west, south, east, north = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    return bool(west > east and south > -POLAR_DEGREES and north < POLAR_DEGREES)


def _masked(dataset: rasterio.DatasetReader) -> bool:
    flags = [flag for band in dataset.mask_flag_enums for flag in band]
    whole = np.dtype(dataset.dtypes[0]).kind in "ui"  # other values may be NaN
    return not whole or any(flag is not MaskFlags.all_valid for flag in flags)


def _overviews(dataset: rasterio.DatasetReader, address: Address) -> tuple[int, ...]:
    """The overviews; none where there are fewer of the mask: what it hides would be shown."""
    overviews = tuple(dataset.overviews(1))
    flags = dataset.mask_flag_enums
    if overviews and flags[0] == [MaskFlags.per_dataset]:
        with opened(address, OVERVIEW_LEVEL=len(overviews) - 1) as coarsest:
            return overviews if coarsest.mask_flag_enums == flags else ()
    return overviews


def _value_range(
    dataset: rasterio.DatasetReader,
    indexes: tuple[int, ...],
    configured: tuple[float, float] | None,
) -> tuple[float, float]:
    """Configured, else declared in the file's statistics, else the type's."""
    if configured is not None:
        if not configured[0] < configured[1]:
            raise StartupError(f"{dataset.name}: range {configured} is empty")
        return configured
    dtype = np.dtype(dataset.dtypes[indexes[0] - 1])
    if dtype == np.uint8:
        return 0.0, 255.0
    tags = [dataset.tags(index) for index in indexes]
    declared = [
        (float(tag["STATISTICS_MINIMUM"]), float(tag["STATISTICS_MAXIMUM"]))
        for tag in tags
        if "STATISTICS_MINIMUM" in tag and "STATISTICS_MAXIMUM" in tag
    ]
    if len(declared) == len(indexes) and all(low < high for low, high in declared):
        return min(low for low, _ in declared), max(high for _, high in declared)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return float(limits.min), float(limits.max)
    return 0.0, 1.0


def open_raster(raster: Raster, level: int | None = None) -> rasterio.DatasetReader:
    """A new handle, opened with the driver found by inspection and no other.

    level: of one of its overviews, by its place among them; None: of the whole.
    """
    dataset = opened(raster.address)
    if _parts(dataset) != raster.parts:
        # Where the network fails, GDAL takes a mask or overviews for missing.
        dataset.close()
        raise RasterioIOError("what was opened is not what was inspected")
    if level is None:
        return dataset
    with dataset:  # until the other is open, so that what was found of a remote file is kept
        return opened(raster.address, OVERVIEW_LEVEL=level)


def opened(address: Address, **options: int) -> rasterio.DatasetReader:
    """A new handle of an address; raises rasterio's errors."""
    dataset = rasterio.open(address.text, driver=address.driver, **options)
    if names_overviews(dataset):  # before anything asks for them
        dataset.close()
        raise RasterioIOError("takes its overviews from another file")
    if address.text.startswith("/vsi"):
        # Finds all that the file holds, without the interpreter's lock: later questions have it.
        dataset.read_masks(1, window=Window(0, 0, 1, 1))
    return dataset


def opened_anew(address: Address) -> rasterio.DatasetReader:
    """A new handle that shows nothing that GDAL remembers of an earlier version."""
    if address.options:
        # What is remembered of a remote file goes when any handle of it is closed (remote.py),
        # and handles of an earlier version may still be open.
        with suppress(RasterioError):
            opened(address).close()
    return opened(address)


def _parts(dataset: rasterio.DatasetReader) -> tuple[object, ...]:
    """What tells a dataset that GDAL has read completely from one that it has not."""
    return dataset.mask_flag_enums, dataset.colorinterp, dataset.overviews(1), dataset.shape
