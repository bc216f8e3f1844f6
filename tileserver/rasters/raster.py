"""A raster: what it says of itself, as it was when it was inspected."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.windows import Window

from cache.key import fingerprint
from tileserver.errors import StartupError
from tileserver.library_internals import CPLE_BaseError
from tileserver.origins.members import Signature
from tileserver.origins.origin import Address, Origin, file_origin
from tileserver.origins.sidecars import names_overviews
from tileserver.rasters.band_roles import (
    NO_ALPHA,
    BandRoles,
    find_opaque_value,
    holds_a_mask,
    readable_bands,
)
from tileserver.rasters.palette import Palette, read_palette
from tileserver.rasters.placement import corners, readable_address
from tileserver.rasters.value_range import RangeOrigin, find_value_range, read_values

logger = logging.getLogger(__name__)

REFERRING_DRIVERS = frozenset(
    {"VRT", "DERIVED", "GTI", "STACIT", "STACTA", "WMS", "WMTS", "WCS", "HTTP", "EEDAI"}
)
"""Drivers that read what a file names, files and networks: for origins that have checked that."""


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
    height: int
    width: int
    indexes: tuple[int, ...]
    """The bands that are pictures: alpha is not."""
    dtype: str
    range: tuple[float, float]
    """The values that are 0 and 1 to the engine (`unit`), and shown as black and white."""
    range_origin: RangeOrigin
    alpha_index: int | None
    """The band that says where there is data, if one does."""
    opaque_value: float | None
    """Its value where all is covered by data."""
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
    """What the members looked like when they were read."""
    settled: bool
    """Whether any later change is sure to change the signature."""

    overviews: tuple[int, ...]
    """How many pixels a side each overview makes one of, in the file's order."""
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

    def unchanged(self, members: Sequence[int] | None = None) -> bool:
        """Whether its files still look as they did when it was inspected.

        members: the numbers of those that are looked at; None: all.
        """
        known = self.signature if members is None else tuple(self.signature[n] for n in members)
        try:
            return self.origin.last_signature(members) == known
        except OSError:
            return False


def inspect(path: Path, value_range: tuple[float, float] | None, *, placed: bool = True) -> Raster:
    """The raster in a file; raises StartupError as `inspected` does."""
    return inspected(file_origin(path), value_range, placed=placed)


def inspected(
    origin: Origin,
    value_range: tuple[float, float] | None,
    *,
    placed: bool = True,
    crs: str | None = None,
    roles: BandRoles = BandRoles(),  # noqa: B008  # immutable
    trusting: bool = False,
    nearest: bool = False,
) -> Raster:
    """Read a raster's description; raises StartupError in one line that names it.

    placed: whether it must say where on Earth it lies; then it is read as `placement` describes,
    else as it is. crs, roles: its CRS and bands, in place of what the file says.
    trusting: whether a band that is called alpha is one whatever its values.
    nearest: whether its values are classes though it has no colour table.
    """
    address = origin.address
    try:
        # What is read may be newer than the looks before it, never older.
        settled, signature = origin.settled(), origin.signature()
        digest = origin.digest()
        with address.environment(), opened_anew(address) as dataset:
            _check_driver(dataset, address)
            chosen = readable_bands(dataset, address, roles)
            if chosen is not None:
                banded = replace(origin, address=chosen)
                raster = inspected(banded, value_range, placed=placed, crs=crs, nearest=nearest)
                digest = fingerprint(raster=raster.fingerprint, roles=roles)
                return replace(raster, fingerprint=digest)
            plain = readable_address(dataset, address, crs, nearest) if placed else None
            if plain is not None:
                moved = replace(origin, address=plain)
                raster = inspected(moved, value_range, placed=False, nearest=nearest)
                if crs is None:
                    return raster
                return replace(raster, fingerprint=fingerprint(members=digest, crs=crs))
            _check(dataset, address)
            pairs = zip(dataset.indexes, dataset.colorinterp, strict=True)
            indexes = tuple(index for index, colour in pairs if colour is not ColorInterp.alpha)
            alpha = [index for index in dataset.indexes if index not in indexes]
            if not indexes:
                raise StartupError(f"{address.name}: has no band but alpha")
            trusted = trusting or address.driver == "VRT"
            opaque_value = None
            if alpha:
                values, dtype = read_values(dataset, (alpha[0],)), dataset.dtypes[alpha[0] - 1]
                opaque_value = find_opaque_value(values, np.dtype(dtype))
            if alpha and not trusted and not holds_a_mask(values, np.dtype(dtype)):
                logger.warning(
                    "%s: band %d is called alpha but holds no mask: it is data (`alpha: %d` makes "
                    "it one)", address.name, alpha[0], alpha[0],
                )  # fmt: skip
                plain_bands = BandRoles(alpha=NO_ALPHA)
                return inspected(
                    origin, value_range, placed=placed, crs=crs, roles=plain_bands, nearest=nearest
                )
            palette = read_palette(dataset, indexes, address.name)
            known = replace(address, driver=dataset.driver)
            found = find_value_range(dataset, indexes, value_range, partial(_open_overview, known))
            return Raster(
                origin,
                known,
                dataset.crs or CRS(),
                corners(dataset.transform, dataset.height, dataset.width),
                dataset.transform,
                dataset.height,
                dataset.width,
                indexes,
                dataset.dtypes[indexes[0] - 1],
                (found.low, found.high),
                found.origin,
                alpha[0] if alpha else None,
                opaque_value,
                dataset.nodata,
                _masked(dataset),
                tuple(dataset.colorinterp[index - 1] for index in indexes),
                nearest or palette is not None,
                palette,
                digest,
                signature,
                settled,
                _overviews(dataset, address),
                _parts(dataset),
            )
    except (RasterioError, CPLE_BaseError, OSError, ValueError, ArithmeticError) as error:
        # ValueErrors are CRSs that PROJ does not know, and transforms that cannot be inverted.
        reason = str(error).replace(address.text, "").strip(": '") or "cannot be opened"
        raise StartupError(f"{address.name}: not a raster that GDAL reads ({reason})") from error


def _check_driver(dataset: rasterio.DatasetReader, address: Address) -> None:
    """Raises StartupError for what reads other files unasked."""
    if dataset.driver in REFERRING_DRIVERS and dataset.driver != address.driver:
        raise StartupError(f"{address.name}: refers to other files; name it as what it is")


def _check(dataset: rasterio.DatasetReader, address: Address) -> None:
    """Raises StartupError for what cannot be served."""
    if np.dtype(dataset.dtypes[0]).kind not in "uif":
        raise StartupError(f"{address.name}: has {dataset.dtypes[0]} values")


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


def _open_overview(address: Address, level: int) -> rasterio.DatasetReader:
    return opened(address, OVERVIEW_LEVEL=level)


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
